"""Plug-and-play injection (Tumanyan et al., CVPR 2023): features of the source replace those of the edit.

They come from the same batch [source | uncond | cond] (`features_injected`), or from a call before it
(`SourceFeatures`).
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from frameweave.errors import ModelFolderError
from frameweave.models.attention import self_attentions
from frameweave.models.features import decoder_layers

STREAMS = 3


def attention_layers(unet: nn.Module) -> frozenset[str]:
    """Self-attentions that take queries and keys from the source: the decoder's without its first."""
    return frozenset(decoder_layers(unet))


def inner_layers(unet: nn.Module) -> frozenset[str]:
    """The decoder's self-attentions from its second transformer to the first of its outermost block.

    On Stable Diffusion 1.x and 2.x six of the nine.
    """
    names = [name for name in self_attentions(unet) if name.startswith("up_blocks.")]
    transformers = list(dict.fromkeys(".".join(name.split(".")[:4]) for name in names))
    outermost = transformers[-1].rsplit(".", 2)[0] if transformers else ""
    first = next((k for k, name in enumerate(transformers) if name.startswith(f"{outermost}.")), 0)
    chosen = transformers[1 : first + 1] or transformers[1:]
    return frozenset(name for name in names if name.startswith(tuple(f"{one}." for one in chosen)))


def inner_blocks(unet: nn.Module) -> frozenset[str]:
    """The first two residual blocks two decoder stages from the outermost, and the first one stage from it.

    Those that there are; on Stable Diffusion 1.x and 2.x up_blocks 1 and 2.
    """
    there = {name for name, _ in unet.named_modules()}
    stages = sum(name.startswith("up_blocks.") and name.count(".") == 1 for name in there)
    wanted = {f"up_blocks.{stages - 3}.resnets.{k}" for k in range(2)} | {f"up_blocks.{stages - 2}.resnets.0"}
    return frozenset(wanted & there)


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
        kept = _beside(block, x)
        # the branch beside the shortcut, for the source alone: the others' would be thrown away
        added = original(x[:n], temb[:n], *args, **kwargs) * block.output_scale_factor - kept[:n]
        return _joined(block, kept, added)

    with _calling(block, injected):
        yield


@dataclass(eq=False)
class SourceFeatures:
    """What a call of the source leaves for the calls of the edit that follow it."""

    layers: frozenset[str] = frozenset()
    """Self-attentions that take its queries and keys."""
    blocks: frozenset[str] = frozenset()
    """Residual blocks that add to their input what it adds there."""
    tokens: dict[str, Float[Tensor, "F N D"]] = field(default_factory=dict[str, Tensor])
    """What went into those layers."""
    _keeps: tuple[bool, bool] = (False, False)
    """Whether the present call is the source's and leaves tokens, and what is added."""
    _added: dict[str, Float[Tensor, "F C h w"]] = field(default_factory=dict[str, Tensor])

    @contextmanager
    def recorded(self, *, tokens: bool, added: bool) -> Generator[None, None, None]:
        """The block holds the source's call, which leaves one kind of features or both."""
        self.tokens.clear()
        self._added.clear()
        self._keeps = (tokens, added)
        try:
            yield
        finally:
            self._keeps = (False, False)

    def asking(self, name: str, x: Tensor) -> Tensor:
        """What makes the queries and keys of a layer, given what goes into it."""
        if self._keeps[0] and name in self.layers:
            self.tokens[name] = x
        return self.tokens.get(name, x)

    @contextmanager
    def on(self, unet: nn.Module) -> Generator[None, None, None]:
        """While the block runs, the residual blocks keep and take features; attention has its own rule."""
        with ExitStack() as stack:
            for name in self.blocks:
                block: Any = unet.get_submodule(name)
                stack.enter_context(_calling(block, self._injected(name, block)))
            yield

    def _injected(self, name: str, block: Any) -> Callable[..., Tensor]:
        original = block.forward

        def injected(x: Tensor, temb: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            if name in self._added:
                return _joined(block, _beside(block, x), self._added[name])
            y = original(x, temb, *args, **kwargs)
            if self._keeps[1]:
                self._added[name] = y * block.output_scale_factor - _beside(block, x)
            return y

        return injected


def _beside(block: Any, x: Tensor) -> Tensor:
    """What of its input a residual block keeps."""
    return x if block.conv_shortcut is None else block.conv_shortcut(x)


def _joined(block: Any, kept: Tensor, added: Tensor) -> Tensor:
    """A block's output from what it keeps of all streams, and adds to each of them alike."""
    return (kept + added.repeat(len(kept) // len(added), 1, 1, 1)) / block.output_scale_factor


@contextmanager
def _calling(block: Any, forward: Callable[..., Tensor]) -> Generator[None, None, None]:
    """While the block runs, `forward` hides the method of the class."""
    block.forward = forward
    try:
        yield
    finally:
        del block.forward


def first_steps(timesteps: Sequence[float], share: float) -> frozenset[float]:
    """The timesteps of the first int(share * T) of T steps; none for a negative share.

    >>> sorted(first_steps([81, 61, 41, 21, 1], 0.5))
    [61, 81]
    """
    return frozenset(timesteps[: max(0, int(len(timesteps) * share))])
