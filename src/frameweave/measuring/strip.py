"""Edits of one clip as one picture: the same frames of each, and one line of pixels over time."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from frameweave.editing.comparing.page import Panel
from frameweave.errors import InputError
from frameweave.measuring.options import StripOptions
from frameweave.measuring.report.figures import strips
from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import staged
from frameweave.runs.run_file import RunRecord, read_run, run_file_of
from frameweave.video import VideoInfo, probe
from frameweave.video.filmstrips import Pixels, shown_frames
from frameweave.video.sequences import name_of_clip

_SOURCE, _TRUTH = "source", "true edit"
_FORMATS = (".png", ".svg")

_RATE, _SHAPE = 0.01, 0.02
"""Shares by which a video's rate and shape may differ from the source's without a word."""


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """A clip of the picture."""

    title: str
    video: Path


def strip(videos: Sequence[Path], options: StripOptions, *, progress: Progress = SILENT) -> dict[str, Path]:
    """Draw the source, its edits and the true edit; the first video is the source.

    A run folder of `edit` stands for its videos, and its first one for the source, too. Returns the picture's
    path. Raises `InputError` for a format that is not drawn, a file that is there already, names that are not
    as many as the edits, and videos that cannot be read.
    """
    out = options.out
    if out.suffix.lower() not in _FORMATS:
        raise InputError(f"--out {out}: expected a .png or .svg file", hint="e.g. --out runs/strip.png")
    if out.exists() and not options.overwrite:
        raise InputError(f"{out}: there already", hint="give another --out, or --overwrite")
    source, edits, prompt = _clips(videos)
    if not edits:
        raise InputError("no edit to draw", hint="give the source first, then its edits, or runs of edit")
    if options.name and len(options.name) != len(edits):
        raise InputError(
            f"{len(options.name)} names for {len(edits)} edits ({', '.join(one.title for one in edits)})",
            hint="give --name once for each edit, in their order",
        )
    if options.name:
        edits = [replace(one, title=name) for one, name in zip(edits, options.name, strict=True)]
    shown = [_Shown(title=_SOURCE, video=source), *_told_apart(edits)]
    if options.truth is not None:
        shown.append(_Shown(title=_TRUTH, video=options.truth))
    info = probe(source)
    clips: dict[str, Pixels] = {}
    for one in progress.track(shown, "reading clips"):
        clips[one.title] = shown_frames(one.video, (info.width, info.height), options.frames)
        count = len(next(iter(clips.values())))
        if len(clips[one.title]) != count:
            progress.note(f"{one.video}: {len(clips[one.title])} frames, the source has {count}")
        for told in _otherwise(probe(one.video), info):
            progress.note(f"{one.video}: {told}")
    drawn = strips(clips, options.title or prompt, count=options.pictures, line=options.line)
    with staged(out) as stage:
        stage.write_bytes(drawn.svg if out.suffix.lower() == ".svg" else drawn.png)
    return {"picture": out}


def _otherwise(theirs: VideoInfo, source: VideoInfo) -> Iterator[str]:
    """In what a video differs from the source so that frames are not drawn as they are shown."""
    if abs(theirs.fps - source.fps) > _RATE * source.fps:
        yield (
            f"{float(theirs.fps):g} frames per second, the source has {float(source.fps):g}: frames of one "
            "number are compared, which are of other times"
        )
    if (
        abs(theirs.width * source.height - theirs.height * source.width)
        > _SHAPE * theirs.width * source.height
    ):
        yield (
            f"{theirs.width} x {theirs.height} pixels, the source has {source.width} x {source.height}: it "
            "is drawn in the source's shape"
        )


def _clips(videos: Sequence[Path]) -> tuple[Path, list[_Shown], str]:
    """The source, the edits, and the prompt where a run tells it."""
    first, edits, prompt = None, list[_Shown](), ""
    for path in videos:
        if not run_file_of(path).is_file() or run_file_of(path) == path:
            if first is None:
                first = path
            else:
                edits.append(_Shown(title=name_of_clip(path), video=path))
            continue
        record = read_run(path)
        if record.command != "edit" or record.result is None:
            raise InputError(
                f"{path}: {'a run of ' + record.command if record.command != 'edit' else 'not finished'}, "
                "expected a finished run of edit",
                hint="give videos, or folders of `frameweave edit`",
            )
        first = first or Path(str(record.input.get("video", "")))
        prompt = prompt or _prompt(record)
        edits += _of_run(path, record)
    if first is None:
        raise InputError("no video to draw", hint="give the source first, then its edits")
    return first, edits, prompt


def _prompt(record: RunRecord) -> str:
    """That of a run with one."""
    prompts = cast("list[object]", record.input.get("prompts", []))
    return str(prompts[0]) if len(prompts) == 1 else ""


def _of_run(path: Path, record: RunRecord) -> Iterator[_Shown]:
    """The results of an edit, or of a comparison."""
    result = record.result or {}
    folder = path if path.is_dir() else path.parent
    if "panels" in result:
        for title in cast("list[str]", result["panels"]):
            if title != _SOURCE:
                yield _Shown(title=title, video=folder / Panel.of(title).video)
        return
    editor = str(record.settings.get("editor", path.name))
    if "adaptor" in record.settings:
        editor += " + adaptor"
    videos = [folder / str(name) for name in cast("list[str]", result.get("videos", []))]
    for video in videos if path.is_dir() else [path]:
        yield _Shown(title=editor if len(videos) == 1 else f"{editor}, {video.stem}", video=video)


def _told_apart(edits: Sequence[_Shown]) -> Iterator[_Shown]:
    """Titles that are there already have a number."""
    times = Counter[str]({_SOURCE: 1, _TRUTH: 1})
    for one in edits:
        times[one.title] += 1
        number = times[one.title]
        yield replace(one, title=f"{one.title} ({number})") if number > 1 else one
