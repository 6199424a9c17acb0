"""Several folders as one experiment, such as editors or adaptors that were measured apart."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from frameweave.errors import DataError
from frameweave.measuring.records import MetricInfo
from frameweave.measuring.report.results import Results, RunInfo
from frameweave.runs.records import Record

R = TypeVar("R", bound=Record)
_EDIT = ("pair", "seed", "editor", "arm")
_VIDEOS = ("video", "source", "truth")


def merged(parts: Sequence[Results]) -> Results:
    """One experiment from its parts, in their order; their videos stay where they are.

    What stands in several parts alike, such as reference rows, is taken once; of distances over all clips
    those over more frames, since a part may be unfinished. Raises `DataError`, naming
    both folders, when a metric has another title or backbone, a pair another clip or prompt, or an edit
    another score.
    """
    if len(parts) == 1:
        return parts[0]
    return Results(
        folder=parts[0].folder,
        run=_run(parts),
        metrics=_metrics(parts),
        pairs=_once([(part, part.pairs) for part in parts], ("pair",), ("clip", "prompt")),
        cells=_once([(part, part.cells) for part in parts], _EDIT, ()),
        scores=_once([(part, part.scores) for part in parts], (*_EDIT, "metric"), ("value",)),
        pooled=_once(
            [(part, part.pooled) for part in parts],
            ("editor", "arm", "metric", "against"),
            ("value",),
            size="n",
        ),
    )


def _metrics(parts: Sequence[Results]) -> tuple[MetricInfo, ...]:
    found: dict[str, tuple[MetricInfo, Path]] = {}
    for part in parts:
        for info in part.metrics:
            first, folder = found.setdefault(info.name, (info, part.folder))
            if (first.backbone, first.title) != (info.backbone, info.title):
                raise DataError(
                    f"{info.name} is {_named(first)} in {folder}, {_named(info)} in {part.folder}",
                    hint="figures measured differently cannot stand in one column: report the folders apart",
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
