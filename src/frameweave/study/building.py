"""The pairs of a study, out of finished runs: edits that can be compared, media, checks of attention."""

import hashlib
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from frameweave.data.grouping import Rough, roughly
from frameweave.measuring.report.reading import read_results
from frameweave.progress import SILENT, Progress
from frameweave.study.design import Pair
from frameweave.study.media import Look, common_look, even_out, spoilt, write_media
from frameweave.video import read_frames
from frameweave.video.clip import Clip

_ALIKE = 0.02
"""Mean difference of first frames below which they are of one clip; 1 is black to white."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Two edits that can be compared, and where they lie."""

    editor: str
    clip: str
    prompt: str
    source_prompt: str
    source: Path | None
    systems: tuple[str, str]
    videos: tuple[Path, Path]


def candidates(folders: Sequence[Path], systems: Sequence[tuple[str, str]]) -> Iterator[Candidate]:
    """Every pair of edits in several runs: for each editor and clip, the first seed of both arms.

    Clips of one name and other sources are told apart. Raises `DataError` for a folder that holds no
    experiment.
    """
    sources = dict[str, list[Rough]]()
    for folder in folders:
        results = read_results(folder)
        paths = {pair.pair: folder / pair.source if pair.source else None for pair in results.pairs}
        clips = {
            pair.pair: _told_apart(pair.clip, paths[pair.pair], sources.setdefault(pair.clip, []))
            for pair in results.pairs
        }
        for editor in results.editors:
            for pair in results.pairs:
                for first, second in systems:
                    videos = results.videos.get((editor, pair.pair), {})
                    if first not in videos or second not in videos:
                        continue
                    yield Candidate(
                        editor=editor,
                        clip=clips[pair.pair],
                        prompt=results.said(pair.prompt),
                        source_prompt=results.said(pair.source_prompt),
                        source=paths[pair.pair],
                        systems=(first, second),
                        videos=(folder / videos[first], folder / videos[second]),
                    )


def _told_apart(name: str, source: Path | None, known: list[Rough]) -> str:
    """A clip's name, with a number where runs have clips of other sources under it: `known` are these.

    By the first frame, roughly: another length, size or encoding makes no other clip.
    """
    if source is None or not source.is_file():
        return name
    look = roughly(next(iter(read_frames(source, first=1))).pixels)
    number = next((n for n, one in enumerate(known) if float(abs(one - look).mean()) < _ALIKE), len(known))
    if number == len(known):
        known.append(look)
    return name if number == 0 else f"{name} ({number + 1})"


def build(
    media: Path,
    found: Sequence[Candidate],
    *,
    checks: int,
    progress: Progress = SILENT,
) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Write the media into a new folder; return the pairs, and the checks of attention.

    Raises `DataError` for a video that is missing, unplayable or of another length.
    """
    media.mkdir(parents=True)
    pairs: list[Pair] = []
    for one in progress.track(found, "writing videos"):
        paths = [*one.videos, *([one.source] if one.source else [])]
        look = common_look(paths)
        names = [_write(media, clip, look) for clip in look.clips]
        even_out([media / name for name in names])
        pairs.append(
            Pair(
                id=_id(one.editor, one.clip, one.prompt, *one.systems),
                editor=one.editor,
                clip=one.clip,
                prompt=one.prompt,
                source=names[2] if one.source else "",
                systems=one.systems,
                media=(names[0], names[1]),
            )
        )
    obvious = tuple(_check(media, one, number) for number, one in enumerate(_to_check(found, checks)))
    return tuple(pairs), obvious


def _to_check(found: Sequence[Candidate], checks: int) -> list[Candidate]:
    """So many edits whose source is known, spread over the clips; several of a clip only where these end."""
    by_clip = dict[str, list[Candidate]]()
    for one in found:
        if one.source is not None:
            by_clip.setdefault(one.clip, []).append(one)
    step = max(1, len(by_clip) // max(1, checks))
    clips = list(by_clip.values())
    first = clips[::step]
    ordered = [*first, *(own for number, own in enumerate(clips) if number % step)]
    turns = zip_longest(*ordered)
    return [one for turn in turns for one in turn if one is not None][:checks]


def _check(media: Path, one: Candidate, number: int) -> Pair:
    """The source beside a spoilt copy of it."""
    assert one.source is not None
    look = common_look([one.source])
    (clean,) = look.clips
    names = [_write(media, clip, look) for clip in (spoilt(clean, seed=number), clean, clean)]
    even_out([media / name for name in names])
    return Pair(
        id=f"check-{number}",
        editor="check",
        clip=one.clip,
        prompt=one.source_prompt or one.prompt,
        source=names[2],
        systems=("spoilt", "clean"),
        media=(names[0], names[1]),
        better=1,
    )


def _write(media: Path, clip: Clip, look: Look) -> str:
    name = f"{secrets.token_hex(16)}.mp4"
    write_media(clip, look, media / name)
    return name


def _id(*words: str) -> str:
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]
