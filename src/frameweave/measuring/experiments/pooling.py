"""Distances over all clips of an arm at once, and differences of arms on the same clips."""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TypedDict

import torch
from torch import Tensor

from frameweave.measuring.experiments.measures import DISTANCES, Measures
from frameweave.measuring.experiments.scoring import read_features, read_scores
from frameweave.measuring.experiments.work import PairWork
from frameweave.measuring.metrics.frechet import Distance, Estimate, few_samples
from frameweave.measuring.records import REFERENCE, WITHOUT, PooledLine
from frameweave.progress import SILENT, Progress

_Seen = dict[str, dict[str, Tensor]]
"""Features of a clip: for each prompt the edited frames', the source's, and perhaps the true edit's."""
_Chosen = tuple[tuple[str, tuple[str, ...]], ...]
"""Clips, and of each the prompts that count."""


def pooled_lines(
    works: Sequence[PairWork], measures: Measures, *, progress: Progress = SILENT
) -> list[PooledLine]:
    """A line for each editor, arm and distance, and for each arm its difference to no adaptor."""
    found: dict[tuple[str, str], dict[str, _Seen]] = defaultdict(dict)
    for work in works:
        for cell in work.cells:
            target = work.scores_folder / cell.key
            if cell.seed == 0 and read_scores(target, measures) is not None:
                clips = found[cell.editor, cell.arm.name]
                clips.setdefault(work.item.clip, {})[cell.pair] = read_features(target)

    @cache
    def estimate(editor: str, arm: str, distance: Distance, reference: str, chosen: _Chosen) -> Estimate:
        """Asked for again by each arm that is compared with this one."""
        seen = found[editor, arm]
        return Estimate.of(distance, [_sets(seen[clip], names, reference) for clip, names in chosen])

    lines: list[PooledLine] = []
    for (editor, arm), clips in progress.track(list(found.items()), "distances over all clips"):
        base = {} if editor == REFERENCE or arm == WITHOUT else found.get((editor, WITHOUT), {})
        for distance, reference in itertools.product(DISTANCES, ("source", "truth")):
            name = f"{distance.kind}_{reference}"
            if chosen := _chosen(clips, clips, reference):
                edited = _edited(clips, chosen)
                warning = few_samples(edited)
                lines.append(
                    PooledLine(
                        editor=editor,
                        arm=arm,
                        metric=name,
                        n=sum(map(len, edited)),
                        **figures(estimate(editor, arm, distance, reference, chosen)),
                        **({"warning": warning} if warning else {}),
                    )
                )
            if both := _chosen(clips, base, reference):
                own, other = (estimate(editor, one, distance, reference, both) for one in (arm, WITHOUT))
                lines.append(
                    PooledLine(
                        editor=editor,
                        arm=arm,
                        metric=name,
                        against=WITHOUT,
                        n=sum(map(len, _edited(clips, both))),
                        **figures(own - other),
                    )
                )
    return lines


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


class _Figures(TypedDict):
    value: float | None
    interval: tuple[float, float] | None


def figures(found: Estimate) -> _Figures:
    """Value and interval of a line; none where the value is no number."""
    if not math.isfinite(found.value):
        return {"value": None, "interval": None}
    return {"value": found.value, "interval": found.interval}


def _edited(clips: Mapping[str, _Seen], chosen: _Chosen) -> list[Tensor]:
    """The edited frames of each clip."""
    return [torch.cat([clips[clip][name]["edited"] for name in names]) for clip, names in chosen]
