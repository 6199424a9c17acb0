"""The clips that a page's player shows: which ones, in which order, and their pictures, each once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from frameweave.errors import InputError
from frameweave.measuring.records import MetricInfo, PairLine
from frameweave.measuring.report.results import Results
from frameweave.video.filmstrips import Filmstrip, Panel, Shown, ShownClip, filmstrip

MOST = 20 * 2**20
"""Bytes of pictures in a page; beyond that only the most telling clips are shown."""
_FEW = (4, 2, 1)  # best, and as many worst and middle clips, of each editor: the most that fit


@dataclass(frozen=True, kw_only=True)
class _Edit:
    editor: str
    pair: PairLine
    videos: dict[str, str]
    """By arm."""
    gain: float | None

    @property
    def panels(self) -> dict[str, str]:
        named = {"source": self.pair.source, **self.videos, "true edit": self.pair.truth}
        return {title: video for title, video in named.items() if video}


def shown_clips(results: Results, metric: MetricInfo, most: int = MOST) -> Shown:
    """A clip for each editor and pair of the first seed, those that gain most in `metric` first.

    When the pictures take more than about `most` bytes, of each editor only those with the largest gains and
    losses, and the middle ones, are kept. Videos that cannot be read any more are left out.
    """
    edits = sorted(_edits(results, metric), key=lambda edit: -(edit.gain or 0.0))
    made: dict[str, Filmstrip | None] = {}
    kept: list[_Edit] = edits
    for few in (None, *_FEW):
        kept = edits if few is None else _telling(edits, few)
        videos = dict.fromkeys(video for edit in kept for video in edit.panels.values())
        if _fit(results.folder, videos, made, most if few != _FEW[-1] else None):
            break
    return _shown(kept, made, len(edits) - len(kept))


def _fit(folder: Path, videos: Iterable[str], made: dict[str, Filmstrip | None], most: int | None) -> bool:
    """Make the pictures that are not made yet; False as soon as they are more than `most` bytes."""
    size = 0
    for video in videos:
        if video not in made:
            made[video] = _picture(folder / video)
        picture = made[video]
        size += len(picture.url) if picture else 0
        if most is not None and size > most:
            return False
    return True


def _shown(edits: Sequence[_Edit], made: dict[str, Filmstrip | None], left_out: int) -> Shown:
    readable = dict.fromkeys(video for edit in edits for video in edit.panels.values() if made[video])
    numbers = {video: number for number, video in enumerate(readable)}
    clips = [
        ShownClip(
            editor=edit.editor,
            gain=edit.gain,
            prompt=edit.pair.prompt,
            source_prompt=edit.pair.source_prompt,
            panels=tuple(
                Panel(title=title, picture=numbers[video])
                for title, video in edit.panels.items()
                if video in numbers
            ),
        )
        for edit in edits
    ]
    return Shown(
        clips=tuple(clip for clip in clips if clip.panels),
        pictures=tuple(picture for video in readable if (picture := made[video])),
        left_out=left_out,
    )


def _edits(results: Results, metric: MetricInfo) -> Iterator[_Edit]:
    pairs = {pair.pair: pair for pair in results.pairs}
    for (editor, pair), own in results.videos.items():
        arm = results.shown_arm(editor)
        gain = None if arm is None else results.gains(editor, arm, metric).get(pair)
        if pair in pairs:
            yield _Edit(editor=editor, pair=pairs[pair], videos=own, gain=gain)


def _telling(edits: Sequence[_Edit], few: int) -> list[_Edit]:
    """Of each editor the best, the worst and the middle ones; edits come with the best first."""
    kept: list[_Edit] = []
    for editor in dict.fromkeys(edit.editor for edit in edits):
        own = [edit for edit in edits if edit.editor == editor]
        middle = max(0, (len(own) - few) // 2)
        numbers = {*range(few), *range(middle, middle + few), *range(len(own) - few, len(own))}
        kept += [own[number] for number in sorted(numbers) if 0 <= number < len(own)]
    return kept


def _picture(video: Path) -> Filmstrip | None:
    try:
        return filmstrip(video)
    except InputError:
        return None
