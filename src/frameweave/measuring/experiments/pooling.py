"""Distances over all clips of an arm at once, and differences of arms on the same clips."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from frameweave.measuring.experiments.arms import WITHOUT
from frameweave.measuring.experiments.measures import Measures
from frameweave.measuring.experiments.pairs import clip_name
from frameweave.measuring.experiments.references import REFERENCE
from frameweave.measuring.experiments.scoring import is_scored, read_features
from frameweave.measuring.metrics.frechet import Distance, Estimate, few_samples
from frameweave.progress import SILENT, Progress

_Seen = dict[str, dict[str, Tensor]]
"""Features of a clip: for each prompt the edited frames', the source's, and perhaps the true edit's."""
_Chosen = tuple[tuple[str, tuple[str, ...]], ...]
"""Clips, and of each the prompts that count."""


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

    @cache
    def estimate(editor: str, arm: str, distance: Distance, reference: str, chosen: _Chosen) -> Estimate:
        """Asked for again by each arm that is compared with this one."""
        seen = found[editor, arm]
        return Estimate.of(distance, [_sets(seen[clip], names, reference) for clip, names in chosen])

    rows: list[dict[str, Any]] = []
    for (editor, arm), clips in progress.track(list(found.items()), "distances over all clips"):
        base = {} if editor == REFERENCE or arm == WITHOUT else found.get((editor, WITHOUT), {})
        for kind, distance in measures.distances.items():
            for reference in ("source", "truth"):
                row = {"editor": editor, "arm": arm, "metric": f"{kind}_{reference}"}
                if chosen := _chosen(clips, clips, reference):
                    figures = _figures(estimate(editor, arm, distance, reference, chosen))
                    edited = _edited(clips, chosen)
                    warning = few_samples(edited)
                    size = {"n": sum(map(len, edited))} | ({"warning": warning} if warning else {})
                    rows.append(row | figures | size)
                if both := _chosen(clips, base, reference):
                    own, other = (estimate(editor, one, distance, reference, both) for one in (arm, WITHOUT))
                    size = {"n": sum(map(len, _edited(clips, both)))}
                    rows.append(row | {"against": WITHOUT} | _figures(own - other) | size)
    return rows


def _chosen(clips: Mapping[str, _Seen], others: Mapping[str, _Seen], reference: str) -> _Chosen:
    """The prompts of each clip that both arms edited, and that have this reference."""
    both = {
        clip: tuple(name for name in seen if reference in seen[name] and name in others.get(clip, {}))
        for clip, seen in clips.items()
    }
    return tuple((clip, names) for clip, names in both.items() if names)


def _sets(seen: _Seen, names: Sequence[str], reference: str) -> tuple[Tensor, Tensor]:
    """All edited frames of a clip, and what they are measured against: its source once, but every truth."""
    edited, other = ([seen[name][part] for name in names] for part in ("edited", reference))
    return torch.cat(edited), torch.cat(other[:1] if reference == "source" else other)


def _figures(found: Estimate) -> dict[str, Any]:
    if not math.isfinite(found.value):
        return {"value": None, "interval": None}
    return {"value": found.value, "interval": list(found.interval) if found.interval is not None else None}


def _edited(clips: Mapping[str, _Seen], chosen: _Chosen) -> list[Tensor]:
    """The edited frames of each clip."""
    return [torch.cat([clips[clip][name]["edited"] for name in names]) for clip, names in chosen]
