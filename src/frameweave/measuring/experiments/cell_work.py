"""What a worker does for one pair: the missing edits of it, one after the other, and their scores."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.inversion import Remembered
from frameweave.editing.adapting import in_steps
from frameweave.editors import registry, running
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
from frameweave.models.control.asked import DEPTH
from frameweave.models.control.maps import MADE, made_map
from frameweave.models.loading.kept import Kept
from frameweave.models.memory import forget_peak, peak_bytes
from frameweave.models.seam import Latents
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from frameweave.video.motion.motion import Motion


def work_on_pair(given: str) -> dict[str, str]:
    """Do whatever cells of a `PairWork`, given as JSON, are missing; returns why cells failed, by key.

    An edit that fails stops none of the others.
    """
    work = PairWork.model_validate_json(given)
    model = _model(work.loading)
    pair = pair_of(work.item, model)
    write_pair(work.run_folder, pair, work.made_of)
    measures = work.backbones.measures()
    known: dict[str, _Known] = {}
    motion = cache(lambda: _moving(pair, work, model))  # one for all editors and arms
    failed: dict[str, str] = {}
    for cell in work.cells:
        folder = work.cells_folder / cell.key
        if cell.key in failed:  # of an arm that edits alike
            continue
        try:
            if not is_whole(folder):
                setup = _Setup(work.loading, model, known.setdefault(_editing(cell), _Known()), motion)
                clip, cost = _edited(pair, cell, setup)
                write_cell(folder, clip, cell, cost)
            score_cell(folder, pair, work.scores_folder / cell.key, measures)
        except Exception as error:  # whatever it is, the pair's other cells go on
            failed[cell.key] = in_one_line(error)
    return failed


@dataclass
class _Known:
    """What cells have in common whose arms act alike while they invert and sample: inversions and edits."""

    inversions: Remembered = field(default_factory=Remembered)
    edits: dict[str, tuple[Latents, Cost]] = field(default_factory=dict[str, tuple[Latents, Cost]])
    """Edited latents with what they took."""

    def recalled(self, cell: Cell, make: Callable[[], Latents]) -> Latents:
        """The edited latents of a cell: those of an equal edit before, or what `make` makes."""
        key = self.key(cell)
        if key not in self.edits:
            recalled, saved = self.inversions.recalled, self.inversions.saved
            start = time.perf_counter()
            x = make()
            self.edits[key] = (
                x,
                Cost(
                    seconds=time.perf_counter() - start,
                    inversion_recalled=self.inversions.recalled > recalled,
                    inversion_seconds=round(self.inversions.saved - saved, 3),
                    memory_gb=round(peak_bytes() / 1e9, 3),
                ),
            )
        return self.edits[key][0]

    def cost(self, cell: Cell) -> Cost | None:
        """What the edit of a cell took, when it was made; None where there is none yet."""
        found = self.edits.get(self.key(cell))
        return None if found is None else found[1]

    @staticmethod
    def key(cell: Cell) -> str:
        """What tells edits apart."""
        return key_of(cell.editor, cell.settings, cell.seed)


def _editing(cell: Cell) -> str:
    """A digest of how the arm acts while the edit is made: to make it steadier comes afterwards."""
    if cell.arm.steady is None:
        return cell.effect
    return key_of(replace(cell.arm, steady=None).effect(cell.editor))


@dataclass(frozen=True, eq=False)
class _Setup:
    loading: Loading
    model: StableDiffusion
    known: _Known
    motion: Callable[[], Motion]


def _moving(pair: Pair, work: PairWork, model: StableDiffusion) -> Motion:
    """How the pair's source moves, as far as any of its edits follows it."""
    height, width = (side // model.vae_factor for side in pair.given.shape[2:])
    edits = [cell for cell in work.cells if cell.editor != REFERENCE]
    editors = [(registry.make(cell.editor, cell.settings), cell.arm.steadied) for cell in edits]
    reach = max(running.motion_reach(editor, steadied) for editor, steadied in editors)
    return pair.moving(work.flow, reach, (height, width))


def _edited(pair: Pair, cell: Cell, setup: _Setup) -> tuple[Clip, Cost]:
    """The edited clip, and what it took."""
    forget_peak()
    before, start = setup.known.cost(cell), time.perf_counter()
    if cell.editor == REFERENCE:
        frames = references(pair, setup.model)[cell.arm.name]()
    else:
        frames = pair.without_padding(_frames(pair, cell, setup))
    seconds = time.perf_counter() - start + (before.seconds or 0.0 if before else 0.0)
    made = setup.known.cost(cell) or Cost(inversion_seconds=0.0)
    memory = max(made.memory_gb or 0.0, round(peak_bytes() / 1e9, 3))
    cost = made.model_copy(update={"seconds": round(seconds, 3), "memory_gb": memory})
    return pair.source.with_frames(frames), cost


def _frames(pair: Pair, cell: Cell, setup: _Setup) -> Float[Tensor, "F 3 height width"]:
    editor = registry.make(cell.editor, cell.settings)
    kinds = setup.model.control_kinds if editor.needs_depth else ()
    maps = {kind: made_map(kind, pair.given) for kind in kinds if kind in MADE}
    depth = pair.depth
    if DEPTH in kinds and depth is None:
        depth = _estimator(setup.loading).estimate(pair.given)
    timesteps = setup.model.schedule.timesteps(int(getattr(editor, "steps", 1)))
    with cell.arm.on(in_steps(setup.model, timesteps), cell.editor) as model:
        return running.edit_clip(
            editor,
            pair.source.with_frames(pair.given),
            pair.prompt,
            model,
            source_prompt=pair.source_prompt,
            negative_prompt=pair.negative_prompt,
            depth=depth,
            maps=maps,
            steady=cell.arm.steadied,
            motion=setup.motion() if running.motion_reach(editor, cell.arm.steadied) else None,
            inversions=setup.known.inversions,
            recalled=partial(setup.known.recalled, cell),
            rng=torch.Generator().manual_seed(_noise_seed(pair, cell.seed)),
        ).frames


def _noise_seed(pair: Pair, seed: int) -> int:
    """The same for all editors and arms, so that they are compared on equal draws."""
    return int(key_of(pair.name, seed)[:12], 16)


_kept = Kept()
"""The model stays for the next pair."""


def _model(loading: Loading) -> StableDiffusion:
    torch.set_num_threads(loading.threads)
    return _kept(loading.choice)


@cache
def _estimator(loading: Loading) -> depth_model.DepthEstimator:
    model = loading.choice.model
    found = depth_model.load(model, loading.depth_model, device=loading.choice.device)
    if found is None:
        raise ModelFolderError(f"{model}: no depth estimator", hint="name one with --depth-model")
    return found
