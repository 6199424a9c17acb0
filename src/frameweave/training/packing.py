"""Micro-steps that go through the network together: as many of an optimiser step's as memory holds.

Each keeps its own draws and its own loss, so the numbers differ from those of one after the other by
rounding alone. How many there are depends on shapes and on the machine's whole memory, not on what is free:
a run that goes on takes as many as before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from frameweave.progress import SILENT
from frameweave.runs.memory import total_memory

_SHARE = 0.25
"""Of the device's memory, for what the backward pass needs: weights, gradients and programs have the rest."""


@runtime_checkable
class Packs(Protocol):
    """A stage that can take several micro-steps in one pass."""

    def losses(self, steps: Sequence[int]) -> list[dict[str, Tensor]]:
        """`TrainStage.loss` of each."""
        ...


@dataclass
class Packing:
    """How the micro-steps of a stage go through the network."""

    loss: Callable[[int], dict[str, Tensor]]
    packs: Packs | None
    at_once: int
    note: Callable[[str], None] = SILENT.note

    @classmethod
    def of(
        cls,
        stage: object,
        loss: Callable[[int], dict[str, Tensor]],
        accumulate: int,
        device: torch.device,
        note: Callable[[str], None],
    ) -> "Packing":
        """As many as fit, told by what one of them keeps for its backward pass."""
        if accumulate == 1 or not isinstance(stage, Packs):
            return cls(loss, None, 1)
        return cls(loss, stage, fitting(saved_bytes(lambda: loss(0)), accumulate, device), note)

    def halve(self) -> None:
        """After they did not fit; a step whose gradients are incomplete begins anew."""
        self.at_once //= 2
        self.note(f"out of memory: going on with {self.at_once} micro-steps at once")

    def losses(self, steps: Sequence[int]) -> list[dict[str, Tensor]]:
        """The terms of each micro-step; no more than `at_once`."""
        if self.packs is None or len(steps) == 1:
            return [self.loss(step) for step in steps]
        return self.packs.losses(steps)

    def parts(self, first: int, accumulate: int) -> list[range]:
        """The micro-steps of an optimiser step, which begin with number `first`, in packs.

        >>> Packing(lambda _: {}, None, at_once=4).parts(6, 6)
        [range(6, 10), range(10, 12)]
        """
        end = first + accumulate
        return [range(start, min(start + self.at_once, end)) for start in range(first, end, self.at_once)]


def fitting(saved: float, accumulate: int, device: torch.device) -> int:
    """How many micro-steps may be together that keep so many bytes each: a power of two."""
    whole = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else total_memory()
    at_once = 1
    while 2 * at_once <= accumulate and 2 * at_once * saved <= _SHARE * whole:
        at_once *= 2
    return at_once


def saved_bytes(forward: Callable[[], object]) -> int:
    """What a forward pass keeps for its backward pass, each storage once."""
    held: dict[int, int] = {}

    def kept(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(kept, lambda tensor: tensor):
        terms = forward()
    del terms
    return sum(held.values())
