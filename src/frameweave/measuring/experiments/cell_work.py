"""What a worker does for one pair: the missing edits of it, one after the other, and their scores."""

import json
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.inversion import Remembered
from frameweave.editors import base
from frameweave.errors import ModelFolderError
from frameweave.measuring.experiments.arms import Arm
from frameweave.measuring.experiments.cells import is_finished, key_of, write_cell
from frameweave.measuring.experiments.measures import Backbones, measures_on
from frameweave.measuring.experiments.pair_files import write_pair
from frameweave.measuring.experiments.pairs import Pair, pair_of
from frameweave.measuring.experiments.references import REFERENCE, references
from frameweave.measuring.experiments.scoring import score_cell
from frameweave.models import depth as depth_model
from frameweave.models.loading import load
from frameweave.models.memory import forget_peak, peak_bytes
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip


def work_on_pair(item: dict[str, Any]) -> dict[str, Any]:
    """Do whatever cells of a pair are missing. An edit that fails is told and stops none of the others.

    `item` has the pair and a digest of what it is made of, its cells (pair, editor, settings, arm, digest of
    its effect, seed, key), the model's settings, the backbones of the metrics, and the folders of the run,
    its cells and its scores.
    """
    model = _model(json.dumps(item["model"]))
    pair = pair_of(item["pair"], model)
    cells, scores = Path(item["cells_folder"]), Path(item["scores_folder"])
    write_pair(Path(item["run_folder"]), pair, item["made_of"])
    measures = measures_on(Backbones(**item["backbones"]), world="world" in item["pair"])
    inversions: dict[str, Remembered] = {}
    failed: dict[str, str] = {}
    for cell in item["cells"]:
        folder = cells / cell["key"]
        if cell["key"] in failed:  # of an arm that edits alike
            continue
        try:
            if not is_finished(folder):
                edit = _Edit(pair, cell, Arm.from_dict(cell["arm"]), item["model"])
                kept = inversions.setdefault(cell["effect"], Remembered())
                write_cell(folder, *_edited(edit, model, kept))
            score_cell(folder, pair, scores / cell["key"], measures)
        except Exception as error:  # whatever it is, the pair's other cells go on
            failed[cell["key"]] = f"{type(error).__name__}: {error}"
    return {"failed": failed}


@dataclass(frozen=True, eq=False)
class _Edit:
    pair: Pair
    cell: dict[str, Any]
    arm: Arm
    named: dict[str, Any]
    """The model's settings."""


def _edited(edit: _Edit, model: StableDiffusion, inversions: Remembered) -> tuple[Clip, dict[str, Any]]:
    """The edited clip, and what is said about it."""
    forget_peak()
    recalled = inversions.recalled
    start = time.perf_counter()
    frames = _frames(edit, model, inversions)
    facts = {
        "seconds": round(time.perf_counter() - start, 3),
        "inversion_recalled": inversions.recalled > recalled,
        "memory_gb": round(peak_bytes() / 1e9, 3),
    }
    about = {name: edit.cell[name] for name in ("pair", "editor", "settings", "arm", "seed")}
    return edit.pair.source.with_frames(frames), about | facts


def _frames(edit: _Edit, model: StableDiffusion, inversions: Remembered) -> Float[Tensor, "F 3 H W"]:
    pair, cell, arm, named = edit.pair, edit.cell, edit.arm, edit.named
    if cell["editor"] == REFERENCE:
        return references(pair, model)[arm.name]()
    editor = base.make(cell["editor"], cell["settings"])
    depth = pair.depth
    if editor.needs_depth and depth is None:
        depth = _estimator(named["model"], named["depth_model"], named["device"]).estimate(pair.source.frames)
    with arm.on(model, cell["editor"]) as adapted_model:
        return base.edit_clip(
            editor,
            pair.source,
            pair.prompt,
            adapted_model,
            source_prompt=pair.source_prompt,
            negative=pair.negative,
            depth=depth,
            inversions=inversions,
            rng=torch.Generator().manual_seed(_noise_seed(pair, cell["seed"])),
        ).frames


def _noise_seed(pair: Pair, seed: int) -> int:
    """The same for all editors and arms, so that they are compared on equal draws."""
    return int(key_of(pair.name, seed)[:12], 16)


@cache
def _model(settings: str) -> StableDiffusion:
    """The model stays for the next pair."""
    named = json.loads(settings)
    torch.set_num_threads(named["threads"])
    return load(
        named["model"],
        dtype=named["dtype"],
        device=named["device"],
        control=named["control"],
        vision=named["vision"],
    )


@cache
def _estimator(model: str, name: str | None, device: str) -> depth_model.DepthEstimator:
    found = depth_model.load(model, name, device=device)
    if found is None:
        raise ModelFolderError(f"{model}: no depth estimator", hint="name one with --depth-model")
    return found
