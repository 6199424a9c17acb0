"""What a worker does for one pair: the missing edits of it, one after the other, and their scores."""

import time
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.inversion import Remembered
from frameweave.editors import base
from frameweave.errors import ModelFolderError, in_one_line
from frameweave.measuring.experiments.cells import Cell, is_whole, write_cell
from frameweave.measuring.experiments.pair_files import write_pair
from frameweave.measuring.experiments.pairs import Pair, pair_of
from frameweave.measuring.experiments.references import references
from frameweave.measuring.experiments.scoring import score_cell
from frameweave.measuring.experiments.work import Loading, PairWork
from frameweave.measuring.keys import key_of
from frameweave.measuring.records import REFERENCE, Cost
from frameweave.models import depth as depth_model
from frameweave.models.loading import load
from frameweave.models.memory import forget_peak, peak_bytes
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip


def work_on_pair(given: str) -> dict[str, str]:
    """Do whatever cells of a `PairWork`, given as JSON, are missing; returns why cells failed, by key.

    An edit that fails stops none of the others.
    """
    work = PairWork.model_validate_json(given)
    model = _model(work.loading)
    pair = pair_of(work.item, model)
    write_pair(work.run_folder, pair, work.made_of)
    measures = work.backbones.measures()
    inversions: dict[str, Remembered] = {}
    failed: dict[str, str] = {}
    for cell in work.cells:
        folder = work.cells_folder / cell.key
        if cell.key in failed:  # of an arm that edits alike
            continue
        try:
            if not is_whole(folder):
                kept = inversions.setdefault(cell.effect, Remembered())
                clip, cost = _edited(pair, cell, _Setup(work.loading, model, kept))
                write_cell(folder, clip, cell, cost)
            score_cell(folder, pair, work.scores_folder / cell.key, measures)
        except Exception as error:  # whatever it is, the pair's other cells go on
            failed[cell.key] = in_one_line(error)
    return failed


@dataclass(frozen=True, eq=False)
class _Setup:
    loading: Loading
    model: StableDiffusion
    inversions: Remembered


def _edited(pair: Pair, cell: Cell, setup: _Setup) -> tuple[Clip, Cost]:
    """The edited clip, and what it took."""
    forget_peak()
    recalled = setup.inversions.recalled
    start = time.perf_counter()
    if cell.editor == REFERENCE:
        frames = references(pair, setup.model)[cell.arm.name]()
    else:
        frames = pair.without_padding(_frames(pair, cell, setup))
    cost = Cost(
        seconds=round(time.perf_counter() - start, 3),
        inversion_recalled=setup.inversions.recalled > recalled,
        memory_gb=round(peak_bytes() / 1e9, 3),
    )
    return pair.source.with_frames(frames), cost


def _frames(pair: Pair, cell: Cell, setup: _Setup) -> Float[Tensor, "F 3 height width"]:
    editor = base.make(cell.editor, cell.settings)
    depth = pair.depth
    if editor.needs_depth and depth is None:
        depth = _estimator(setup.loading).estimate(pair.given)
    with cell.arm.on(setup.model, cell.editor) as model:
        return base.edit_clip(
            editor,
            pair.source.with_frames(pair.given),
            pair.prompt,
            model,
            source_prompt=pair.source_prompt,
            negative_prompt=pair.negative_prompt,
            depth=depth,
            inversions=setup.inversions,
            rng=torch.Generator().manual_seed(_noise_seed(pair, cell.seed)),
        ).frames


def _noise_seed(pair: Pair, seed: int) -> int:
    """The same for all editors and arms, so that they are compared on equal draws."""
    return int(key_of(pair.name, seed)[:12], 16)


@cache
def _model(loading: Loading) -> StableDiffusion:
    """The model stays for the next pair."""
    torch.set_num_threads(loading.threads)
    return load(
        loading.model,
        dtype=loading.dtype,
        device=loading.device,
        controlnet=loading.controlnet,
        vision=loading.vision,
    )


@cache
def _estimator(loading: Loading) -> depth_model.DepthEstimator:
    found = depth_model.load(loading.model, loading.depth_model, device=loading.device)
    if found is None:
        raise ModelFolderError(f"{loading.model}: no depth estimator", hint="name one with --depth-model")
    return found
