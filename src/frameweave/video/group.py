"""`FrameGroup`: adjacent frames of one clip with their captions, the unit that adaptors train on."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class FrameGroup:
    """F adjacent frames in [0, 1]; inverse depth in [0, 1] (near is 1) when it is known."""

    frames: Float[Tensor, "F 3 H W"]
    captions: tuple[str, ...]
    depth: Float[Tensor, "F 1 H W"] | None = None


@runtime_checkable
class GroupSource(Protocol):
    """Groups by their number, so that a run goes on exactly where it stopped."""

    def __len__(self) -> int: ...

    def key(self, index: int) -> str:
        """A name of the group's content, known without decoding it; the cache is keyed by it."""
        ...

    def group(self, index: int) -> FrameGroup: ...


@runtime_checkable
class EncodedSource(Protocol):
    """A source that may hold groups encoded already, by encoders that a short print names."""

    def encoded(self, index: int, print_: str) -> tuple[dict[str, Tensor], tuple[str, ...]] | None:
        """A group's tensors by name and its captions; None when it is not encoded by these."""
        ...
