"""Distances over all clips of an arm at once, and differences of arms on the same clips."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from frameweave.experiments.arms import WITHOUT
from frameweave.experiments.measures import Measures
from frameweave.experiments.references import REFERENCE
from frameweave.experiments.scoring import is_scored, read_features
from frameweave.metrics.frechet import Distance, jackknifed
from frameweave.progress import SILENT, Progress


def pooled_rows(
    tasks: Sequence[dict[str, Any]], measures: Measures, *, progress: Progress = SILENT
) -> list[dict[str, Any]]:
    """A row for each editor, arm and distance; and for each arm its difference to the one without adaptor."""
    found: dict[tuple[str, str], dict[str, dict[str, Tensor]]] = defaultdict(dict)
    for task in tasks:
        for cell in task["cells"]:
            target = Path(task["scores_folder"]) / cell["key"]
            if cell["seed"] == 0 and is_scored(target, measures):
                found[cell["editor"], cell["arm"]["name"]][cell["pair"]] = read_features(target)
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
    clips: dict[str, dict[str, Tensor]],
    base: dict[str, dict[str, Tensor]],
) -> list[dict[str, Any]]:
    kind, distance = measure
    rows: list[dict[str, Any]] = []
    for reference in ("source", "truth"):
        known = {name: seen for name, seen in clips.items() if reference in seen}
        if not known:
            continue
        sets = [(seen["edited"], seen[reference]) for seen in known.values()]
        value, interval = jackknifed(distance, sets)
        frames, width = sum(len(edited) for edited, _ in sets), sets[0][0].shape[1]
        row = about | {"metric": f"{kind}_{reference}"}
        rows.append(row | _figures(value, interval, frames) | _warning(len(sets), frames, width))
        both = [name for name in known if name in base]
        if both:
            value, interval = jackknifed(
                distance,
                [(known[name]["edited"], known[name][reference]) for name in both],
                [base[name]["edited"] for name in both],
            )
            rows.append(row | {"against": WITHOUT} | _figures(value, interval, frames))
    return rows


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
