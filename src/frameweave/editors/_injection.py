"""Plug-and-play injection (Tumanyan et al., CVPR 2023): features of the source stream replace the others'.

Used by editors whose batch is [source | uncond | cond].
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from frameweave.errors import ModelFolderError
from frameweave.models.features import decoder_layers

STREAMS = 3


def attention_layers(unet: nn.Module) -> frozenset[str]:
    """Self-attentions that take queries and keys from the source: the decoder's without its first."""
    return frozenset(decoder_layers(unet))


@contextmanager
def features_injected(unet: nn.Module, acts: Callable[[], bool]) -> Generator[None, None, None]:
    """While the block runs, and when `acts`, the source's features replace those of the other streams.

    The features are what the second residual block of the decoder's second stage adds to its input.
    Raises `ModelFolderError` when the UNet has no such block.
    """
    try:
        block: Any = unet.get_submodule("up_blocks.1.resnets.1")
    except AttributeError as error:
        raise ModelFolderError(
            "the UNet's decoder has no up_blocks.1.resnets.1",
            hint="plug-and-play needs it; give another --set variant=, or another model",
        ) from error
    original = block.forward

    def injected(x: Tensor, temb: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if not acts():
            return original(x, temb, *args, **kwargs)
        n = len(x) // STREAMS
        kept = x if block.conv_shortcut is None else block.conv_shortcut(x)
        # the branch beside the shortcut, for the source alone: the others' would be thrown away
        added = original(x[:n], temb[:n], *args, **kwargs) * block.output_scale_factor - kept[:n]
        return (kept + added.repeat(STREAMS, 1, 1, 1)) / block.output_scale_factor

    block.forward = injected  # hides the method of the class
    try:
        yield
    finally:
        del block.forward


def first_steps(timesteps: list[int], share: float) -> frozenset[int]:
    """The timesteps of the first int(share * T) of T steps; none for a negative share.

    >>> sorted(first_steps([81, 61, 41, 21, 1], 0.5))
    [61, 81]
    """
    return frozenset(timesteps[: max(0, int(len(timesteps) * share))])
