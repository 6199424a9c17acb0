"""Reference rows: what copying, freezing, blurring, the VAE alone, and a perfect edit would score.

A frozen or blurred clip wins some measures of consistency, a copy of the source those of fidelity. A table
that shows them cannot be misread.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from frameweave.measuring.experiments.items import Item
from frameweave.measuring.experiments.pairs import Pair
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import blurred_frames

_SIGMA = 1 / 32  # of the blur, as a share of the shorter side


def frozen(frames: Float[Tensor, "F 3 H W"]) -> Float[Tensor, "F 3 H W"]:
    """The first frame all along."""
    return frames[:1].expand_as(frames)


def blurred(frames: Float[Tensor, "F 3 H W"]) -> Float[Tensor, "F 3 H W"]:
    """A Gaussian blur of each frame, whose sigma is 1/32 of the shorter side."""
    return blurred_frames(frames, min(frames.shape[2:]) * _SIGMA)


def reference_names(item: Item) -> list[str]:
    """Which rows there are for an item of an experiment; a true edit only where it is known."""
    names = ["source unchanged", "first frame frozen", "blurred", "VAE round trip"]
    return [*names, "true edit"] if item.knows_truth else names


def references(pair: Pair, model: StableDiffusion) -> dict[str, Callable[[], Float[Tensor, "F 3 H W"]]]:
    """Each row's name and how its frames are made."""
    frames = pair.source.frames
    rows: dict[str, Callable[[], Tensor]] = {
        "source unchanged": lambda: frames,
        "first frame frozen": lambda: frozen(frames),
        "blurred": lambda: blurred(frames),
        "VAE round trip": lambda: pair.without_padding(model.decode(model.encode(pair.given))),
    }
    truth = pair.truth
    if truth is not None:
        rows["true edit"] = lambda: truth.frames
    return rows
