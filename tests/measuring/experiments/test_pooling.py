"""Distances over all clips, from cells that are measured as the grid does it."""

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from frameweave.measuring.experiments.arms import Arm
from frameweave.measuring.experiments.cells import Cell, write_cell
from frameweave.measuring.experiments.items import world_items
from frameweave.measuring.experiments.measures import Backbones, Measures
from frameweave.measuring.experiments.pairs import Pair
from frameweave.measuring.experiments.pooling import pooled_lines
from frameweave.measuring.experiments.scoring import score_cell
from frameweave.measuring.experiments.work import Loading, PairWork
from frameweave.measuring.metrics.frechet import frechet_distance
from frameweave.measuring.metrics.miniature_encoders import miniature_clip
from frameweave.measuring.records import Cost
from frameweave.models.loading.choice import ModelChoice
from frameweave.video.clip import Clip


@dataclass(frozen=True)
class Colours:
    """An encoder that sees the mean colour of a frame."""

    id: str = "colours"
    width: int = 3

    def features(self, frames: Tensor) -> Tensor:
        return frames.mean((2, 3))


MEASURES = Measures(each=(), encoder=Colours(), clip=miniature_clip())


def a_clip(seed: int) -> Clip:
    rng = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (4, 3, 1, 1), generator=rng).expand(-1, -1, 8, 8) / 255
    return Clip(frames, tuple(Fraction(k, 8) for k in range(4)))


def works_in(folder: Path, arms: dict[str, list[int]], *, truths: bool = False) -> list[PairWork]:
    """Cells of the edits that each arm has, by the clips' numbers; the k-th arm's pictures are its own."""
    numbers = sorted({number for clips in arms.values() for number in clips})
    works: list[PairWork] = []
    for number in numbers:
        name = f"{number:03d}"
        truth = a_clip(5000 + number) if truths else None
        source = a_clip(number)
        pair = Pair(name=name, clip=name, source=source, given=source.frames, prompt="a cat", truth=truth)
        cells: list[Cell] = []
        for k, arm in enumerate(arms):
            key = f"{name}-{k}"
            cell = Cell(
                pair=name, editor="framewise", settings={}, arm=Arm(name=arm), effect="", seed=0, key=key
            )
            if number in arms[arm]:
                cost = Cost(seconds=1, memory_gb=1)
                write_cell(folder / "cells" / key, a_clip(1000 * (k + 1) + number), cell, cost)
                score_cell(folder / "cells" / key, pair, folder / "scores" / key, MEASURES)
            cells.append(cell)
        works.append(
            PairWork(
                item=world_items("test", number + 1, 4)[number],
                made_of="",
                cells=tuple(cells),
                loading=Loading(choice=ModelChoice(device="cpu"), depth_model=None, threads=1),
                backbones=Backbones(kind="miniature"),
                run_folder=folder,
                cells_folder=folder / "cells",
            )
        )
    return works


def pooled(works: list[PairWork], measures: Measures) -> list[dict[str, Any]]:
    return [json.loads(line.as_json()) for line in pooled_lines(works, measures)]


def frechet(numbers: list[int], k: int) -> float:
    """What the k-th arm's distance from the sources of some clips should be."""
    colours = [
        torch.cat([a_clip(base + n).frames.mean((2, 3)) for n in numbers]) for base in (1000 * (k + 1), 0)
    ]
    return frechet_distance(*colours)


def test_arms_are_compared_on_the_clips_that_both_edited(tmp_path: Path) -> None:
    arms = {"without": [0, 1, 2, 3], "with": [1, 2, 3, 4]}
    rows = pooled(works_in(tmp_path, arms), MEASURES)
    fid = [row for row in rows if row["metric"] == "fid_source"]
    own = {row["arm"]: row["value"] for row in fid if "against" not in row}
    for k, (arm, numbers) in enumerate(arms.items()):
        assert own[arm] == pytest.approx(frechet(numbers, k), rel=1e-4), arm
    (difference,) = (row for row in fid if "against" in row)
    assert (difference["arm"], difference["against"], difference["n"]) == ("with", "without", 12)
    both = [1, 2, 3]
    assert difference["value"] == pytest.approx(frechet(both, 1) - frechet(both, 0), rel=1e-3)
    left_out = torch.tensor(
        [frechet(rest, 1) - frechet(rest, 0) for n in both if (rest := [m for m in both if m != n])]
    )
    half = 4.302653 * float((2 / 3 * (left_out - left_out.mean()).square().sum()).sqrt())  # t for 2
    low, high = difference["interval"]
    assert (high - low) / 2 == pytest.approx(half, rel=1e-3)


def test_true_edits_have_rows_where_they_are_known_and_few_frames_a_warning(tmp_path: Path) -> None:
    rows = pooled(works_in(tmp_path, {"without": [0, 1]}, truths=True), MEASURES)
    assert {row["metric"] for row in rows} == {"fid_source", "kid_source", "fid_truth", "kid_truth"}
    assert all(row["interval"] is None for row in rows)  # two clips do not say how they scatter
    assert all("8 frames of 2 clips for 3 dimensions" in row["warning"] for row in rows)


def test_one_clip_has_no_kernel_distance(tmp_path: Path) -> None:
    values = {row["metric"]: row["value"] for row in pooled(works_in(tmp_path, {"with": [0]}), MEASURES)}
    assert values["kid_source"] is None and values["fid_source"] > 0
