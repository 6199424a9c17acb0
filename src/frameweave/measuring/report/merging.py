"""Several folders as one experiment, such as editors or adaptors that were measured apart."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from frameweave.errors import DataError
from frameweave.measuring.records import MetricInfo, PooledLine
from frameweave.measuring.report.results import EditorArm, Results, RunInfo
from frameweave.progress import SILENT
from frameweave.runs.records import Record

R = TypeVar("R", bound=Record)
_EDIT = ("pair", "seed", "editor", "arm")
_VIDEOS = ("video", "source", "truth")


def merged(parts: Sequence[Results], *, note: Callable[[str], object] = SILENT.note) -> Results:
    """One experiment from its parts, in their order; their videos stay where they are.

    What stands in several parts alike, such as reference rows, is taken once. Of distances over all clips
    those of the part with all clips count; where none has all, they are left out, which `note` is told.
    Raises `DataError`, naming both folders, when a metric has another title or backbone, a pair another clip
    or prompt, or an edit another score.
    """
    if len(parts) == 1:
        return parts[0]
    return Results(
        folder=parts[0].folder,
        run=_run(parts),
        metrics=_metrics(parts, note),
        pairs=_once([(part, part.pairs) for part in parts], ("pair",), ("clip", "prompt")),
        cells=_once([(part, part.cells) for part in parts], _EDIT, ()),
        scores=_once([(part, part.scores) for part in parts], (*_EDIT, "metric"), ("value",)),
        pooled=_pooled(parts, note),
    )


def _pooled(parts: Sequence[Results], note: Callable[[str], object]) -> tuple[PooledLine, ...]:
    """Distances over all clips: those of parts that measured every pair of their editor and arm."""
    own = [_pairs(part) for part in parts]
    every = dict[EditorArm, set[str]]()
    for pairs in own:
        for row, names in pairs.items():
            every[row] = every.get(row, set[str]()) | names
    whole = [
        (part, [line for line in part.pooled if pairs.get(_row(line), set()) == every.get(_row(line), set())])
        for part, pairs in zip(parts, own, strict=True)
    ]
    found = _once(whole, ("editor", "arm", "metric", "against"), ("value",), size="n")
    if lost := {_row(line) for part in parts for line in part.pooled} - {_row(line) for line in found}:
        told = ", ".join(sorted(f"{editor} {arm}" for editor, arm in lost))
        note(f"no distances over all clips of {told}: each folder has a part of the clips")
    return found


def _pairs(part: Results) -> dict[EditorArm, set[str]]:
    """Which pairs were measured in each editor and arm."""
    found = dict[EditorArm, set[str]]()
    for line in part.scores:
        found.setdefault((line.editor, line.arm), set()).add(line.pair)
    return found


def _row(line: PooledLine) -> EditorArm:
    return line.editor, line.arm


def _metrics(parts: Sequence[Results], note: Callable[[str], object]) -> tuple[MetricInfo, ...]:
    found: dict[str, tuple[MetricInfo, Path]] = {}
    for part in parts:
        for info in part.metrics:
            first, folder = found.setdefault(info.name, (info, part.folder))
            if (first.backbone, first.title) != (info.backbone, info.title):
                raise DataError(
                    f"{info.name} is {_named(first)} in {folder}, {_named(info)} in {part.folder}",
                    hint="figures measured differently cannot stand in one column: report the folders apart",
                )
            if first.version != info.version:
                note(
                    f"{info.name} was measured by two versions in {folder} and {part.folder}: "
                    "run their commands again, which measures anew what has changed"
                )
    return tuple(info for info, _ in found.values())


def _named(info: MetricInfo) -> str:
    return f"{info.title!r} by {info.backbone or 'no network'}"


def _once(
    parts: Sequence[tuple[Results, Sequence[R]]],
    key: Sequence[str],
    alike: Iterable[str],
    *,
    size: str = "",
) -> tuple[R, ...]:
    """The lines of all parts; of those with one key the first, after a check that the others say the same.

    Where a line says its `size`, the larger one is taken, and only lines of one size must be alike.
    """
    found: dict[tuple[object, ...], tuple[R, Path]] = {}
    for part, lines in parts:
        for line in lines:
            name = tuple(getattr(line, field) for field in key)
            own = (_absolute(line, part.folder), part.folder)
            first, folder = found.setdefault(name, own)
            if size and getattr(first, size) != getattr(line, size):
                if getattr(line, size) > getattr(first, size):
                    found[name] = own
                continue
            for field in alike:
                one, other = getattr(first, field), getattr(line, field)
                if one != other and str(one) != str(other):  # NaN is unlike itself
                    raise DataError(
                        f"{' '.join(str(word) for word in name if word != '')}: {field} is "
                        f"{one!r} in {folder}, {other!r} in {part.folder}",
                        hint="only parts of one experiment go together: report the folders apart, "
                        "or give the arms different names",
                    )
    return tuple(line for line, _ in found.values())


def _absolute(line: R, folder: Path) -> R:
    videos = {name: getattr(line, name, None) for name in _VIDEOS}
    return line.model_copy(
        update={name: str((folder / video).absolute()) for name, video in videos.items() if video}
    )


def _run(parts: Sequence[Results]) -> RunInfo:
    """What the parts' run files say; settings under the folders' names."""
    return RunInfo(
        command=" and ".join(dict.fromkeys(part.run.command for part in parts)),
        test_set="; ".join(filter(None, dict.fromkeys(part.run.test_set for part in parts))),
        settings={
            f"{part.folder}: {name}": value for part in parts for name, value in part.run.settings.items()
        },
        environment=parts[0].run.environment,
    )
