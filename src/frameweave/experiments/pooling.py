"""Distances over all clips of an arm at once, and differences of arms on the same clips."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from frameweave.experiments.arms import WITHOUT
from frameweave.experiments.measures import Measures
from frameweave.experiments.pairs import clip_name
from frameweave.experiments.references import REFERENCE
from frameweave.experiments.scoring import is_scored, read_features
from frameweave.metrics.frechet import Distance, jackknifed
from frameweave.progress import SILENT, Progress

_Seen = dict[str, dict[str, Tensor]]
"""Features of a clip: for each prompt the edited frames', the source's, and perhaps the true edit's."""


def pooled_rows(
    tasks: Sequence[dict[str, Any]], measures: Measures, *, progress: Progress = SILENT
) -> list[dict[str, Any]]:
    """A row for each editor, arm and distance; and for each arm its difference to the one without adaptor."""
    found: dict[tuple[str, str], dict[str, _Seen]] = defaultdict(dict)
    for task in tasks:
        clip = clip_name(task["pair"])
        for cell in task["cells"]:
            target = Path(task["scores_folder"]) / cell["key"]
            if cell["seed"] == 0 and is_scored(target, measures):
                clips = found[cell["editor"], cell["arm"]["name"]]
                clips.setdefault(clip, {})[cell["pair"]] = read_features(target)
    rows: list[dict[str, Any]] = []
    for (editor, arm), clips in progress.track(list(found.items()), "distances over all clips"):
        base = found.get((editor, WITHOUT), {})
        compared = {} if editor == REFERENCE or arm == WITHOUT else base
        for kind, distance in measures.distances.items():
            rows += _rows({"editor": editor, "arm": arm}, (kind, distance), clips, compared)
    return rows


def _rows(
    about: dict[str, Any],
    measure: tuple[str, Distance],
    clips: dict[str, _Seen],
    base: dict[str, _Seen],
) -> list[dict[str, Any]]:
    kind, distance = measure
    rows: list[dict[str, Any]] = []
    for reference in ("source", "truth"):
        known = {clip: seen for clip, pairs in clips.items() if (seen := _having(reference, pairs))}
        if not known:
            continue
        sets = [_sets(seen, reference) for seen in known.values()]
        value, interval = jackknifed(distance, sets)
        frames, width = sum(len(edited) for edited, _ in sets), sets[0][0].shape[1]
        row = about | {"metric": f"{kind}_{reference}"}
        rows.append(row | _figures(value, interval, frames) | _warning(len(sets), frames, width))
        if both := list(_matched(known, base)):
            value, interval = jackknifed(
                distance,
                [_sets(seen, reference) for seen, _ in both],
                [_sets(seen, reference)[0] for _, seen in both],
            )
            frames = sum(len(one["edited"]) for seen, _ in both for one in seen.values())
            rows.append(row | {"against": WITHOUT} | _figures(value, interval, frames))
    return rows


def _matched(clips: dict[str, _Seen], base: dict[str, _Seen]) -> Iterator[tuple[_Seen, _Seen]]:
    """For each clip: what was seen of the prompts that both arms edited."""
    for clip, seen in clips.items():
        if both := [name for name in seen if name in base.get(clip, {})]:
            yield {name: seen[name] for name in both}, {name: base[clip][name] for name in both}


def _having(reference: str, pairs: _Seen) -> _Seen:
    return {name: seen for name, seen in pairs.items() if reference in seen}


def _sets(pairs: _Seen, reference: str) -> tuple[Tensor, Tensor]:
    """All edited frames of a clip, and what they are measured against: its source once, but every truth."""
    edited, other = ([seen[name] for seen in pairs.values()] for name in ("edited", reference))
    return torch.cat(edited), torch.cat(other[:1] if reference == "source" else other)


def _figures(value: float, interval: tuple[float, float] | None, frames: int) -> dict[str, Any]:
    finite = bool(torch.tensor(value).isfinite())
    return {
        "value": value if finite else None,
        "interval": list(interval) if interval is not None and finite else None,
        "n": frames,
    }


def _warning(clips: int, frames: int, width: int) -> dict[str, str]:
    if frames >= 10 * width:
        return {}
    few = f"{frames} frames of {clips} clips for {width} dimensions"
    return {"warning": f"{few}: mostly the bias of few samples"}
