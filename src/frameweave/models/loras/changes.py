"""What a LoRA of each form adds to a weight: W' - W at strength 1, as a matrix of W's rows and columns.

A convolution's weight is the matrix of its output channels and all that one of them reads. Each form says its
size before anything is computed, so that a file is known to fit before a model is touched.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

Size = tuple[int, int]
"""Rows (outputs) and columns (inputs, times the kernel's pixels)."""


@runtime_checkable
class Change(Protocol):
    """What is added to a weight, before its scale."""

    @property
    def size(self) -> Size: ...

    def matrix(self, like: Tensor) -> Tensor:
        """In the precision of `like`, where that lies."""
        ...


@dataclass(frozen=True, eq=False)
class LowRank:
    """LoRA, and LoCon with its two convolutions: up times down."""

    up: Tensor
    down: Tensor

    @property
    def size(self) -> Size:
        return len(self.up), self.down[0].numel()

    def matrix(self, like: Tensor) -> Tensor:
        return self.up.to(like).flatten(1) @ self.down.to(like).flatten(1)


@dataclass(frozen=True, eq=False)
class Tucker:
    """A convolution's core between two matrices: sum of core[i, j] outer[i, row] inner[j, column]."""

    core: Tensor
    outer: Tensor
    inner: Tensor

    @property
    def size(self) -> Size:
        return self.outer.shape[1], self.inner.shape[1] * self.core[0, 0].numel()

    def matrix(self, like: Tensor) -> Tensor:
        core, outer, inner = (part.to(like) for part in (self.core, self.outer, self.inner))
        return torch.einsum("ijkl,ip,jr->prkl", core, outer, inner).flatten(1)


@dataclass(frozen=True, eq=False)
class Product:
    """LoHa: two changes multiplied number by number."""

    first: Change
    second: Change

    @property
    def size(self) -> Size:
        return self.first.size

    def matrix(self, like: Tensor) -> Tensor:
        return self.first.matrix(like) * self.second.matrix(like)


@dataclass(frozen=True, eq=False)
class Whole:
    """A change that is written out."""

    values: Tensor

    @property
    def size(self) -> Size:
        return len(self.values), self.values[0].numel()

    def matrix(self, like: Tensor) -> Tensor:
        return self.values.to(like).flatten(1) if self.values.dim() > 1 else self.values.to(like)[:, None]


@dataclass(frozen=True, eq=False)
class Kronecker:
    """LoKr: each number of the first times all of the second."""

    first: Change
    second: Change

    @property
    def size(self) -> Size:
        (rows, columns), (more_rows, more_columns) = self.first.size, self.second.size
        return rows * more_rows, columns * more_columns

    def matrix(self, like: Tensor) -> Tensor:
        # the kernel's pixels are the last part of the second's columns, so they stay together
        return torch.kron(self.first.matrix(like), self.second.matrix(like))


@dataclass(frozen=True, eq=False)
class Magnitudes:
    """DoRA: the changed weight takes these lengths, one for each output or for each input."""

    lengths: Tensor
    of: Literal["outputs", "inputs"]


@dataclass(frozen=True, eq=False)
class Layer:
    """What a LoRA adds to one layer."""

    weight: Change | None
    scale: float = 1.0
    magnitudes: Magnitudes | None = None
    bias: Tensor | None = None

    def added(self, weight: Tensor) -> Tensor:
        """W' - W for a layer's weight W, in its precision; its size fits."""
        assert self.weight is not None
        change = self.scale * self.weight.matrix(weight).view(weight.shape)
        return change if self.magnitudes is None else _of_lengths(weight + change, self.magnitudes) - weight


def _of_lengths(weight: Tensor, magnitudes: Magnitudes) -> Tensor:
    """Each output's (or input channel's) numbers scaled to the given length."""
    axis = 0 if magnitudes.of == "outputs" else 1
    others = [index for index in range(weight.dim()) if index != axis]
    lengths = weight.square().sum(others, keepdim=True).sqrt()
    # an output that is all zero has no direction: it stays zero
    shape = [-1 if index == axis else 1 for index in range(weight.dim())]
    wanted = magnitudes.lengths.to(weight).view(shape)
    return weight * torch.where(lengths > 0, wanted / lengths, 0)
