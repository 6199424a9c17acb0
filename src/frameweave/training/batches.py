"""The micro-batches of a run: which groups, timesteps, noise, texts; a pure function of the step's number."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from frameweave.data.encoded import Prepared
from frameweave.errors import InputError
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.training.options import TrainOptions

_WHOLE, _PRIOR = 7, 13
"""What tells the draws of a whole batch, and of whether a group is one that the model knows, from others."""


@runtime_checkable
class Groups(Protocol):
    """Prepared groups by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Prepared: ...


@dataclass(frozen=True, eq=False)
class Batch:
    """G groups of F frames at K timesteps each; samples are ordered group, timestep, frame."""

    x_t: Float[Tensor, "S C h w"]
    eps: Float[Tensor, "S C h w"]
    t: Int[Tensor, " S"]
    text: Float[Tensor, "S L D"]
    pooled: Float[Tensor, "S P"]
    """What stands for each whole text; of width 0 where the model reads no such thing."""
    depth: Float[Tensor, "GF 1 H W"]
    """Of each frame, once for all its timesteps."""
    vision: Float[Tensor, "S N D_vision"] | None
    """The frames' vision states for the unshared tokens; None when they are left out."""
    replaced: bool
    """Whether the prompt is replaced (p_share); one draw for the whole batch."""
    shape: tuple[int, int, int]
    """G, K, F."""
    motion: Float[Tensor, "G F_minus_1 3 h w"] | None = None
    """Within each group, see `GroupMotion`; None where the training does not need it."""


def joined(batches: Sequence[Batch]) -> Batch:
    """Batches of equal frames and timesteps as one; without vision states, which tokens have read before."""
    if len(batches) == 1:
        return batches[0]
    first = batches[0]

    def whole(name: str) -> Tensor:
        return torch.cat([getattr(batch, name) for batch in batches])

    return Batch(
        **{name: whole(name) for name in ("x_t", "eps", "t", "text", "pooled", "depth")},
        vision=None,
        replaced=first.replaced,
        shape=(sum(batch.shape[0] for batch in batches), *first.shape[1:]),
        motion=None if first.motion is None else whole("motion"),
    )


@dataclass(eq=False)
class Batches:
    """Batch k of a run. Each process takes its equal part of every batch."""

    groups: Groups
    model: StableDiffusion
    options: TrainOptions
    t_range: tuple[float, float]
    timesteps: int = 1
    """At how many each group is seen."""
    rank: int = 0
    processes: int = 1
    prior: Groups | None = None
    """Groups that the model knows already, of which `prior_share` of all are taken; see `--prior`."""

    def __post_init__(self) -> None:
        if self.options.batch % self.processes:
            raise InputError(
                f"a batch of {self.options.batch} groups for {self.processes} processes",
                hint=f"give --batch as a multiple of {self.processes}",
            )
        low, high = (round(share * self.model.schedule.T) for share in self.t_range)
        if low == high:
            raise InputError(
                f"the window from {self.t_range[0]:g} T to {self.t_range[1]:g} T holds no timestep",
                hint=f"give a wider --t-range: T is {self.model.schedule.T}",
            )
        self._state = lru_cache(maxsize=4096)(self._encoded)

    @property
    def count(self) -> int:
        """How many whole batches the groups make."""
        return len(self.groups) // self.options.batch

    def __call__(self, step: int) -> Batch:
        size, seed = self.options.batch, self.options.seed
        mine = range(self.rank * size // self.processes, (self.rank + 1) * size // self.processes)
        whole = np.random.default_rng((seed, step, _WHOLE))
        replaced, dropped = whole.random() < self.options.p_share, whole.random() < self.options.vision_drop
        # slot 7 would be the generator of the whole batch
        draws = {slot: (seed, step, slot + (slot >= _WHOLE)) for slot in mine}
        drawn = [self._drawn(step * size + slot, draws[slot]) for slot in mine]
        parts = [self._sample(group, draws[slot]) for group, slot in zip(drawn, mine, strict=True)]
        stacked = [torch.cat(tensors) for tensors in zip(*parts, strict=True)]
        motions = [group.motion for group in drawn if group.motion is not None]
        x_t, eps, t, text, pooled, depth, vision = (tensor.to(self.model.device) for tensor in stacked)
        shape = (len(parts), self.timesteps, len(x_t) // len(parts) // self.timesteps)
        seen, motion = None if dropped else vision, torch.stack(motions) if motions else None
        return Batch(x_t, eps, t.long(), text, pooled, depth, seen, bool(replaced), shape, motion)

    def _drawn(self, item: int, seed: tuple[int, int, int]) -> Prepared:
        """The group of an item of the run: now and then one that the model knows already."""
        options = self.options
        if self.prior is None or np.random.default_rng((*seed, _PRIOR)).random() >= options.prior_share:
            return self.groups[position(item, len(self.groups), options.seed)]
        return self.prior[position(item, len(self.prior), options.seed)]

    def _sample(self, group: Prepared, seed: tuple[int, int, int]) -> tuple[Tensor, ...]:
        options = self.options
        rng, torch_rng = np.random.default_rng(seed), torch.Generator()
        torch_rng.manual_seed(int(rng.integers(2**62)))
        frames, times = len(group.mean), self.timesteps
        schedule = self.model.schedule

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=torch_rng)

        x_0 = group.mean + group.std * normal(*group.mean.shape)
        x_0 = x_0 * self.model.vae.config["scaling_factor"]
        low, high = (round(share * schedule.T) for share in self.t_range)
        t = torch.from_numpy(rng.integers(low, high, times)).repeat_interleave(frames)
        common = options.common_noise
        eps = common**0.5 * normal(times, 1, *x_0.shape[1:]) + (1 - common) ** 0.5 * normal(
            times, frames, *x_0.shape[1:]
        )
        a = schedule.alpha_bar[t][:, None, None, None]
        x_0 = x_0.repeat(times, 1, 1, 1)
        eps = eps.flatten(0, 1)
        drawn = int(rng.integers(len(group.captions)))
        chosen = drawn if options.caption is None else min(options.caption, len(group.captions) - 1)
        caption = group.captions[chosen]
        text, pooled = self._state("" if rng.random() < options.text_drop else caption)
        shown = {
            "random": torch.from_numpy(rng.integers(frames, size=frames)),
            "own": torch.arange(frames),
            "first": torch.zeros(frames, dtype=torch.long),
        }[options.vision_frame]
        depth = group.depth.float() / 255
        x_t = a**0.5 * x_0 + (1 - a) ** 0.5 * eps
        text, pooled = text.expand(len(t), -1, -1), pooled.expand(len(t), -1)
        return x_t, eps, t, text, pooled, depth, group.vision[shown].repeat(times, 1, 1)

    def _encoded(self, caption: str) -> tuple[Float[Tensor, "1 L D"], Float[Tensor, "1 P"]]:
        """A caption and what stands for all of it; a dropped one is what guidance will lead away from."""
        given = self.model.conditioning([caption], negative=() if caption else (0,))
        text = given.texts[0].float().cpu()
        return text, text.new_zeros(1, 0) if given.pooled is None else given.pooled[0].float().cpu()


def position(item: int, n: int, seed: int) -> int:
    """The group that item number `item` of a run takes: a fresh permutation for every pass over n groups.

    >>> sorted(position(item, 5, seed=0) for item in range(5, 10))
    [0, 1, 2, 3, 4]
    """
    return int(_order(n, item // n, seed)[item % n])


@lru_cache(maxsize=4)
def _order(n: int, epoch: int, seed: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch, 11)).permutation(n)
