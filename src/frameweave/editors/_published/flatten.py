"""Where FLATTEN's published program does otherwise: each point as we do it, and as it does."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from frameweave.diffusion.inversion import Trajectory
from frameweave.diffusion.schedule import TRAINING_T, Schedule
from frameweave.editors._parts.injection import first_steps, inner_blocks, inner_layers
from frameweave.editors._parts.trajectories import Links, Trajectories
from frameweave.editors.request import EditRequest, Timesteps
from frameweave.errors import InputError, ModelFolderError
from frameweave.models.attention import Heads, Then, self_attentions

_STEPS, _INVERSION = 50, 100  # of the published program
_CLEAN = 1  # the timestep at which it takes the clean latents to be
_SIDE = 64  # of its latents, at which alone it works
_REACH = 2  # cells to each side that are a point's neighbours
_AT_ONCE = 4096  # points whose neighbours are gathered at once
_TRANSFORMERS = (
    "1.attentions.1",
    "1.attentions.2",
    *(f"2.attentions.{k}" for k in range(3)),
    "3.attentions.0",
)
_BLOCKS = ("1.resnets.0", "1.resnets.1", "2.resnets.0")


class Rules:
    """As we do it."""

    def check(self, steps: int, inversion_steps: int, guidance: float, share: float) -> None:
        """Raise `InputError` for settings that do not go together; `share` of the steps take features."""

    def asked(self, request: EditRequest) -> EditRequest:
        """The request, on the timesteps to visit. Raises `InputError` where it cannot be done."""
        return request

    def layers(self, unet: nn.Module) -> frozenset[str]:
        """The self-attentions that take queries and keys of the source."""
        return inner_layers(unet)

    def blocks(self, unet: nn.Module) -> frozenset[str]:
        """The residual blocks that take features of the source."""
        return inner_blocks(unet)

    def context_length(self, frames: int, length: int) -> int:
        """How many frames are edited together."""
        return min(length, frames)

    def passed(self, request: EditRequest, steps: int, inversion_steps: int) -> Timesteps:
        """Where the steps of the inversion go to, the noisiest first."""
        return request.timesteps(inversion_steps or steps)

    def told(self, schedule: Schedule, t: float, steps: int) -> float:
        """The timestep that the network is told in the inversion's step to t."""
        return t

    def sources(self, timesteps: Sequence[float], inversion_steps: int) -> Sequence[float]:
        """For each step of the edit, at which timestep of the source its features are taken."""
        return timesteps

    def kept(self, sources: Sequence[float]) -> Sequence[float]:
        """Of those timesteps, the ones that the inversion goes to."""
        return sources

    def at(self, trajectory: Trajectory, t: float) -> Float[Tensor, "F C h w"]:
        """The source's latents at one of them."""
        return trajectory.at(t)

    def injected(self, timesteps: Sequence[float], share: float) -> frozenset[float]:
        """The timesteps of the edit that take features."""
        return first_steps(timesteps, share)

    def sized(self, flow: Float[Tensor, "_ 2 H W"], size: tuple[int, int]) -> Float[Tensor, "_ 2 h w"]:
        """The flow between pictures of one size in cells of another."""
        return F.adaptive_avg_pool2d(flow, size) * _in_cells(flow, size)

    def links(self, flow: Tensor, sure: Tensor, least: float, draws: Mapping[str, Tensor]) -> Links:
        """Where the content of each cell goes."""
        return Links(flow, sure, least)

    def along(self, numbers: Int[Tensor, "F N"], size: tuple[int, int], device: torch.device) -> Then:
        """Attention of each point along its trajectory, by their numbers."""
        return Trajectories(numbers, device).attended


class Published(Rules):
    """As the published program does it."""

    def check(self, steps: int, inversion_steps: int, guidance: float, share: float) -> None:
        if guidance <= 1:
            raise InputError(
                f"guidance is {guidance:g}, as published more than 1 is needed",
                hint="give 10, as it has, or leave as_published out",
            )
        wanted = max(1, min(steps, _count(share)))
        edit, inversion = _spread(steps), _spread(inversion_steps or _INVERSION)
        if len(_common(edit, inversion[1:])) < wanted:
            raise InputError(
                f"{steps} steps take features of the source, and the inversion in {len(inversion)} steps "
                f"passes {len(_common(edit, inversion[1:]))} of them, as published {wanted} are needed",
                hint="give steps=50, 25, 20 or 10, or leave as_published out",
            )

    def asked(self, request: EditRequest) -> EditRequest:
        """Its inversion is under the empty prompt."""
        (height, width), factor = request.x_0.shape[2:], request.model.vae_factor
        if (height, width) != (_SIDE, _SIDE):
            pixels = _SIDE * factor
            raise InputError(
                f"frames of {width * factor} x {height * factor} pixels, "
                f"as published {pixels} x {pixels} are needed",
                hint=f"give a square clip and --size {pixels}, or leave as_published out",
            )
        if len(request) < 2:
            raise InputError(
                "1 frame, as published at least 2 are needed", hint="leave as_published out for one picture"
            )
        if request.schedule.T != TRAINING_T:
            raise InputError(
                f"a model of {request.schedule.T} timesteps, as published {TRAINING_T} are needed",
                hint="leave as_published out",
            )
        return replace(request.spaced_as_published(), source_prompt="")

    def layers(self, unet: nn.Module) -> frozenset[str]:
        there = self_attentions(unet)
        named = [f"up_blocks.{name}.transformer_blocks.0.attn1" for name in _TRANSFORMERS]
        return _all_there(named, there)

    def blocks(self, unet: nn.Module) -> frozenset[str]:
        return _all_there(
            [f"up_blocks.{name}" for name in _BLOCKS], {name for name, _ in unet.named_modules()}
        )

    def context_length(self, frames: int, length: int) -> int:
        return frames

    def passed(self, request: EditRequest, steps: int, inversion_steps: int) -> Timesteps:
        """Its clean latents stand at the last timestep, so that its noisiest are one step noisier."""
        steps = inversion_steps or _INVERSION
        return Timesteps(request.schedule.timesteps(steps)[:-1], steps)

    def told(self, schedule: Schedule, t: float, steps: int) -> float:
        return schedule.before(t, steps)

    def sources(self, timesteps: Sequence[float], inversion_steps: int) -> Sequence[float]:
        """They are recorded where edit and inversion pass one timestep, and counted from the noisiest."""
        return _common(timesteps, _spread(inversion_steps or _INVERSION)[1:])

    def kept(self, sources: Sequence[float]) -> Sequence[float]:
        return [t for t in sources if t > _CLEAN]

    def at(self, trajectory: Trajectory, t: float) -> Float[Tensor, "F C h w"]:
        return trajectory.at(t) if t > _CLEAN else trajectory.x_0

    def injected(self, timesteps: Sequence[float], share: float) -> frozenset[float]:
        """A number of steps that does not heed how many there are."""
        return frozenset(timesteps[: _count(share)])

    def sized(self, flow: Float[Tensor, "_ 2 H W"], size: tuple[int, int]) -> Float[Tensor, "_ 2 h w"]:
        """The flow of each cell is that of its upper left corner."""
        return F.interpolate(flow, size, mode="nearest") * _in_cells(flow, size)

    def links(self, flow: Tensor, sure: Tensor, least: float, draws: Mapping[str, Tensor]) -> Links:
        """Content is followed blindly, also across cuts."""
        chosen, shape = draws.get("conflicts"), sure.flatten(1).shape
        if chosen is not None and chosen.shape != shape:
            raise InputError(
                f"conflicts of shape {list(chosen.shape)}, expected {list(shape)}",
                hint="give a number for each cell of every frame but the first",
            )
        return Links(flow, sure, -1, carried=False, chosen=chosen)

    def along(self, numbers: Int[Tensor, "F N"], size: tuple[int, int], device: torch.device) -> Then:
        if int(torch.bincount(numbers.flatten()).max()) == len(numbers):
            return super().along(numbers, size, device)
        return Leaking(numbers, size, device).attended


class Leaking:
    """Attention along trajectories of which none has all frames: neighbours of a point take the free places.

    A point has a list: itself, its neighbours in its frame row by row, the other points of its
    trajectory. The first entry and the last F - 1 are used, as if the trajectory filled these.
    """

    def __init__(self, numbers: Int[Tensor, "F N"], size: tuple[int, int], device: torch.device) -> None:
        frames, cells = numbers.shape
        points = torch.arange(frames * cells)
        near = neighbours(size)
        near = torch.where(near < 0, -1, near + cells * torch.arange(frames)[:, None, None]).flatten(0, 1)
        listed = torch.cat([points[:, None], near, others(numbers)], 1)
        used = torch.cat([listed[:, :1], listed[:, 1 - frames :]], 1).to(device)
        self._used, self._there = used.clamp(min=0), used >= 0

    def attended(self, q: Heads, k: Heads, v: Heads) -> Heads:
        y = torch.empty_like(v)
        for some in torch.arange(len(self._used), device=v.device).split(_AT_ONCE):
            used = self._used[some]
            asks, keys, values = (
                tokens[:, :, at].flatten(0, 1) for tokens, at in ((q, some[:, None]), (k, used), (v, used))
            )
            found = F.scaled_dot_product_attention(asks, keys, values, self._there[some, None])
            y[:, :, some] = found[:, :, 0].unflatten(0, v.shape[:2])
        return y


def neighbours(size: tuple[int, int]) -> Int[Tensor, "N 24"]:
    """Of each cell of a frame, those at most two rows and columns away, row by row; -1 where no more are."""
    height, width = size
    away = torch.arange(-_REACH, _REACH + 1)
    rows, columns = (grid.flatten() for grid in torch.meshgrid(away, away, indexing="ij"))
    beside = (rows != 0) | (columns != 0)
    y, x = (grid.flatten()[:, None] for grid in _cells(height, width))
    y, x = y + rows[beside], x + columns[beside]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return _closed_up(torch.where(inside, y * width + x, -1))


def others(numbers: Int[Tensor, "F N"]) -> Int[Tensor, "points _"]:
    """Of each point, the other points of its trajectory in their order; -1 where no more are."""
    flat = numbers.flatten()
    order, lengths = flat.argsort(stable=True), torch.bincount(flat)
    starts = lengths.cumsum(0) - lengths
    table = torch.full((len(lengths), int(lengths.max())), -1)
    table[flat[order], torch.arange(len(flat)) - starts[flat[order]]] = order
    listed = table[flat]
    return _closed_up(torch.where(listed == torch.arange(len(flat))[:, None], -1, listed))[:, :-1]


def _closed_up(listed: Int[Tensor, "rows n"]) -> Int[Tensor, "rows n"]:
    """The entries of each row without gaps, in their order."""
    return listed.gather(1, (listed < 0).int().argsort(dim=1, stable=True))


def _cells(height: int, width: int) -> Sequence[Int[Tensor, "height width"]]:
    return torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")


def _in_cells(flow: Tensor, size: tuple[int, int]) -> Tensor:
    scale = [size[1] / flow.shape[3], size[0] / flow.shape[2]]
    return torch.tensor(scale, device=flow.device, dtype=flow.dtype)[:, None, None]


def _spread(steps: int) -> list[float]:
    """The timesteps of so many steps, the noisiest first."""
    return [_CLEAN + k * (TRAINING_T // steps) for k in reversed(range(steps))]


def _common(edit: Sequence[float], inversion: Sequence[float]) -> list[float]:
    passed = set(inversion)
    return [t for t in edit if t in passed]


def _count(share: float) -> int:
    return round(_STEPS * share)


def _all_there(named: Sequence[str], there: Mapping[str, object] | set[str]) -> frozenset[str]:
    if missing := [name for name in named if name not in there]:
        raise ModelFolderError(
            f"the UNet has no {missing[0]}", hint="as published it is needed; leave as_published out"
        )
    return frozenset(named)


OURS, PUBLISHED = Rules(), Published()
