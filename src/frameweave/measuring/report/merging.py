"""Several folders as one experiment, such as editors or adaptors that were measured apart."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from frameweave.errors import DataError
from frameweave.measuring.report.results import MetricInfo, Results

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
        pairs=_once(parts, "pairs", ("pair",), ("clip", "prompt")),
        cells=_once(parts, "cells", ("pair", "seed", "editor", "arm"), ()),
        scores=_once(parts, "scores", ("pair", "seed", "editor", "arm", "metric"), ("value",)),
        pooled=_once(parts, "pooled", ("editor", "arm", "metric", "against"), ("value",), size="n"),
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
    parts: Sequence[Results], kind: str, key: Sequence[str], alike: Iterable[str], *, size: str = ""
) -> tuple[dict[str, Any], ...]:
    """The lines of all parts; of those with one key the first, after a check that the others say the same.

    Where a line says its `size`, the larger one is taken, and only lines of one size must be alike.
    """
    found: dict[tuple[Any, ...], tuple[dict[str, Any], Path]] = {}
    for part in parts:
        for line in getattr(part, kind):
            name = tuple(line.get(field) for field in key)
            own = (_absolute(line, part.folder), part.folder)
            first, folder = found.setdefault(name, own)
            if size and first[size] != line[size]:
                if line[size] > first[size]:
                    found[name] = own
                continue
            for field in alike:
                if not _same(first[field], line[field]):
                    raise DataError(
                        f"{' '.join(str(word) for word in name if word is not None)}: {field} is "
                        f"{first[field]!r} in {folder}, {line[field]!r} in {part.folder}",
                        hint="only parts of one experiment go together: report the folders apart, "
                        "or give the arms different names",
                    )
    return tuple(line for line, _ in found.values())


def _same(first: Any, second: Any) -> bool:
    return first == second or str(first) == str(second)  # NaN is unlike itself


def _absolute(line: dict[str, Any], folder: Path) -> dict[str, Any]:
    return line | {field: str((folder / line[field]).absolute()) for field in _VIDEOS if line.get(field)}


def _run(parts: Sequence[Results]) -> dict[str, Any]:
    """What the parts' run files say; settings under the folders' names."""
    commands = dict.fromkeys(part.run["command"] for part in parts)
    sets = dict.fromkeys(str(part.run.get("input", {}).get("test_set", "")) for part in parts)
    return {
        "command": " and ".join(commands),
        "settings": {
            f"{part.folder}: {name}": value
            for part in parts
            for name, value in part.run.get("settings", {}).items()
        },
        "environment": parts[0].run.get("environment", {}),
        "input": {"test_set": "; ".join(filter(None, sets))},
    }
