"""What metrics ask of networks: features of frames, stages of a trunk, pictures and words in one space."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from frameweave.measuring.metrics.base import Frames


@runtime_checkable
class Encoder(Protocol):
    """One vector a frame, for the Fréchet and kernel distances."""

    @property
    def id(self) -> str:
        """Its name, and what tells its weights from others."""
        ...

    @property
    def width(self) -> int: ...

    def features(self, frames: Frames) -> Float[Tensor, "F width"]: ...


@runtime_checkable
class Trunk(Protocol):
    """The stages of a convolutional network, for LPIPS."""

    @property
    def id(self) -> str: ...

    def stages(self, frames: Frames) -> list[Float[Tensor, "F _ _ _"]]:
        """Feature maps after each stage."""
        ...

    @property
    def weights(self) -> list[Float[Tensor, " _"]] | None:
        """How much each channel of each stage counts; None is alike, divided by nothing."""
        ...


@runtime_checkable
class TextImage(Protocol):
    """Pictures and words in one space, for CLIP scores."""

    @property
    def id(self) -> str: ...

    def pictures(self, frames: Frames) -> Float[Tensor, "F D"]:
        """Of length 1."""
        ...

    def words(self, text: str) -> Float[Tensor, " D"]:
        """Of length 1."""
        ...

    def unseen(self, text: str) -> str:
        """The end of a text that is beyond the longest one which it takes; empty when all of it fits."""
        ...


@runtime_checkable
class Pooling(TextImage, Protocol):
    """The same, and what its vision tower says before it is brought into the space of words."""

    def pooled(self, frames: Frames) -> Float[Tensor, "F D"]: ...


@runtime_checkable
class Preference(TextImage, Protocol):
    """The same of a model of people's preferences."""

    @property
    def scale(self) -> float:
        """By which cosines are multiplied: what its training has found."""
        ...


@runtime_checkable
class Patches(Protocol):
    """What a vision transformer sees in the parts of pictures, and in pictures as a whole."""

    @property
    def id(self) -> str: ...

    @property
    def side(self) -> int:
        """Pixels of the squares that it was trained on, at most 224."""
        ...

    def keys(self, frames: Frames) -> Float[Tensor, "F T D"]:
        """The keys of its last layer, the class token's first."""
        ...

    def classes(self, pictures: Float[Tensor, "F 3 h w"]) -> Float[Tensor, "F D"]:
        """The class token of pictures that are prepared."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Seeing:
    """The networks that published benchmarks look through, as far as they are named."""

    clip: Pooling
    pick: Preference | None
    dino: Patches | None


@runtime_checkable
class Named(Protocol):
    """A network behind a metric."""

    @property
    def id(self) -> str: ...


def id_of(network: Named | None) -> str:
    """As titles name it."""
    return "no network" if network is None else network.id


def lack_of(network: Named | None, flag: str, usual: str) -> str:
    """Why its metric has no value; empty where the network is there."""
    return f"needs a network: name one with {flag}, such as {usual}" if network is None else ""
