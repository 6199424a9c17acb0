"""Where RAVE's published program does otherwise: each point as we do it, and as it does."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import accumulate
from math import isqrt

import torch
from torch import Tensor

from frameweave.diffusion.inversion import Trajectory
from frameweave.editors._parts.groups import Grouping, OrderedEps, joint_eps
from frameweave.editors.request import EditRequest, Timesteps
from frameweave.errors import InputError
from frameweave.models.seam import Guides, Latents


class Rules:
    """As we do it."""

    def check(self, grouping: Grouping) -> None:
        """Raise `InputError` for groups that cannot be formed."""

    def asked(self, request: EditRequest, size: int) -> EditRequest:
        """The request, of the frames that are edited."""
        return request

    def inversion_guides(self, guides: Guides) -> Guides:
        """What steers the inversion, if anything does."""
        return guides

    def wanted(self, timesteps: Timesteps) -> list[float]:
        """Timesteps of the edit that an inversion must pass."""
        return timesteps[:1]

    def started(self, request: EditRequest, trajectory: Trajectory, t: float) -> Latents:
        """Where the edit starts, at timestep t."""
        return trajectory.at(t)

    def noised(self, request: EditRequest, t: float) -> Latents:
        """The source under noise at timestep t."""
        return request.noised(t)

    def orders(self, permutations: list[Tensor]) -> list[Tensor]:
        """The order of frames at each step, from what was drawn for it."""
        return permutations

    def denoising(
        self,
        request: EditRequest,
        grouping: Grouping,
        guidance: float,
        guides: Guides,
        *,
        joint_norms: bool,
        first: float,
    ) -> AbstractContextManager[OrderedEps]:
        """The guided prediction while the network sees groups; `first` is the first timestep."""
        return joint_eps(request, grouping, guidance, guides, joint_norms=joint_norms)


class Published(Rules):
    """As the published program does it: the frames of a group are the tiles of one large picture."""

    def check(self, grouping: Grouping) -> None:
        side = isqrt(grouping.size)
        if side**2 != grouping.size:
            raise InputError(
                f"group is {grouping.size}, expected as published a square: the frames fill a grid",
                hint=f"give group={max(1, side) ** 2} or {(side + 1) ** 2}, or leave as_published out",
            )
        if grouping.shuffle not in ("random", "none") or grouping.anchor >= 0:
            raise InputError(
                f"shuffle is {grouping.shuffle} and anchor_frame {grouping.anchor}, expected as published "
                "random or none, and no anchor_frame",
                hint="leave them out, or as_published",
            )

    def asked(self, request: EditRequest, size: int) -> EditRequest:
        """Whole grids only, and their source seen under no prompt."""
        frames = len(request) - len(request) % size
        if not frames:
            raise InputError(
                f"{len(request)} frames, as published at least {size} are needed: those of one grid",
                hint="give a smaller square as group, such as 4, or leave as_published out",
            )
        maps, seen = request.maps, request.seen
        return replace(
            request,
            x_0=request.x_0[:frames],
            maps={kind: of_all[:frames] for kind, of_all in maps.items()},
            seen=None if seen is None else seen[:frames],
            source_prompt="",
        )

    def inversion_guides(self, guides: Guides) -> Guides:
        return replace(guides, controlnet_scale=1.0)

    def wanted(self, timesteps: Timesteps) -> list[float]:
        return []

    def started(self, request: EditRequest, trajectory: Trajectory, t: float) -> Latents:
        return trajectory.noisiest[: len(request)]

    def noised(self, request: EditRequest, t: float) -> Latents:
        """Each frame under noise of its own."""
        x_0, given = request.x_0, request.draws.get("initial_noise")
        noise = request.model.noise(tuple(x_0.shape), request.rng) if given is None else given
        return request.schedule.add_noise(x_0, noise.to(x_0), t)

    def orders(self, permutations: list[Tensor]) -> list[Tensor]:
        """Each permutes what the one before left."""
        return list(accumulate(permutations, lambda before, permutation: before[permutation]))

    def denoising(
        self,
        request: EditRequest,
        grouping: Grouping,
        guidance: float,
        guides: Guides,
        *,
        joint_norms: bool,
        first: float,
    ) -> AbstractContextManager[OrderedEps]:
        return grid_eps(request, isqrt(grouping.size), guidance, guides, first=first)


@contextmanager
def grid_eps(
    request: EditRequest, side: int, guidance: float, guides: Guides, *, first: float
) -> Generator[OrderedEps, None, None]:
    """The guided prediction of frames that fill grids of `side` by `side`, in their order.

    A slip: at the first timestep the prediction is that of the negative prompt alone. The maps of
    ControlNets are tiled like the frames. An adaptor's tokens are those of a grid's first frame.
    """
    model, prompts = request.model, [request.negative_prompt, request.prompt]

    @torch.no_grad()
    def eps(x: Latents, t: float, order: Tensor) -> Latents:
        own = replace(
            guides,
            maps={kind: tiled(of_all[order], side) for kind, of_all in guides.maps.items()},
            seen=None if guides.seen is None else guides.seen[order[:: side**2]],
        )
        conditioning = request.conditioning(prompts, own, negative=(0,))
        noise = torch.empty_like(x)
        for k, frames in enumerate(order.split(side**2)):
            grid = tiled(x[frames], side)
            branches = model.predict(grid, t, conditioning.of([k]))
            found = request.guided(branches, 0.0 if t == first else guidance, grid, t)
            noise[frames] = untiled(found, side)
        return noise

    yield eps


def tiled(frames: Tensor, side: int) -> Tensor:
    """Pictures (F C h w) as grids: each takes the next side x side of them, row by row.

    >>> tiled(torch.arange(4).view(4, 1, 1, 1), 2).tolist()
    [[[[0, 1], [2, 3]]]]
    """
    rows = frames.unflatten(0, (-1, side, side)).permute(0, 3, 1, 4, 2, 5)
    return rows.flatten(4, 5).flatten(2, 3)


def untiled(grids: Tensor, side: int) -> Tensor:
    """The pictures of grids; undoes `tiled`.

    >>> untiled(tiled(torch.arange(8).view(8, 1, 1, 1), 2), 2).flatten().tolist()
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    cells = grids.unflatten(3, (side, -1)).unflatten(2, (side, -1))
    return cells.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)


OURS, PUBLISHED = Rules(), Published()
