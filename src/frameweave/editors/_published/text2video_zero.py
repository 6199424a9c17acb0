"""Where Text2Video-Zero's published program does otherwise: each point as we do it, and as it does."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import torch
from torch import Tensor

from frameweave.editors._parts.instruct import frame_noises, replayed
from frameweave.editors.request import EditRequest
from frameweave.models.seam import Latents

Run = tuple[EditRequest, Iterator[Latents], int]
"""What is edited together, its noise, and how many of its first frames are thrown away."""


class Rules:
    """As we do it."""

    first_copy = 1
    """The first frame that is a shifted copy; a copy of frame 0 takes its place."""

    def asked(self, request: EditRequest) -> EditRequest:
        """The request, on the timesteps that are to be visited."""
        return request

    def instructed_runs(self, request: EditRequest, chunk: int) -> Iterator[Run]:
        """The runs of an edit by instruction."""
        noises = replayed(request.draws) or frame_noises(request.model, request.x_0, request.rng)
        yield request, noises, 0

    def noise(self, request: EditRequest, copies: Tensor, chunk: int) -> Tensor:
        """The noise of the shifted copies."""
        return request.model.noise(tuple(copies.shape), request.rng)


class Published(Rules):
    """As the published program does it: in chunks, which all begin with frame 0 and draw the same noise."""

    first_copy = 0

    def asked(self, request: EditRequest) -> EditRequest:
        return request.spaced_as_published()

    def instructed_runs(self, request: EditRequest, chunk: int) -> Iterator[Run]:
        model, rng, state = request.model, request.rng, request.rng.get_state()
        for number, frames in enumerate(torch.arange(len(request)).split(chunk - 1)):
            rng.set_state(state)
            chosen = torch.cat([torch.zeros(1, dtype=torch.long), frames])
            x_0, seen = request.x_0[chosen], None if request.seen is None else request.seen[chosen]
            shape = tuple(x_0.shape)
            drawn = (model.noise(shape, rng) for _ in count())
            noises = replayed(request.draws, f"chunk{number}.") or drawn
            yield replace(request, x_0=x_0, seen=seen, keeper=None), noises, 1

    def noise(self, request: EditRequest, copies: Tensor, chunk: int) -> Tensor:
        rng, state = request.rng, request.rng.get_state()
        parts: list[Tensor] = []
        for part in copies.split(chunk - 1):
            rng.set_state(state)
            drawn = request.model.noise((part.shape[1], len(part), *part.shape[2:]), rng)
            parts.append(drawn.transpose(0, 1))
        return torch.cat(parts)


OURS, PUBLISHED = Rules(), Published()
