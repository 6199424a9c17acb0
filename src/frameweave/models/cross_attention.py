"""Text attention in which some batch entries look where others look (prompt-to-prompt).

Hertz et al. (2022, arXiv 2208.01626) put the attention map of the source prompt in the place of the
edited prompt's map: P' = P_source A + P_own diag(own). Every rule of theirs that replaces, refines
or reweights words is linear in the maps, so P' V = P_source (A V) + P_own (own V): what is changed
is the small matrix of values, and no map (batch heads queries tokens) is ever held in memory.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from jaxtyping import Float
from torch import Tensor, nn

from frameweave.models.image_prompt.attention import ImageAttention, TextAndImages, in_heads, joined


@dataclass(frozen=True, eq=False)
class Borrowed:
    """Whose maps are used by whom in one call of the network."""

    lender: slice
    """Batch entries whose queries and keys make the maps; they are not changed themselves."""
    borrower: slice
    """As many batch entries, in the same order, whose values the maps are applied to."""
    taken: Float[Tensor, "L L"]
    """A: how much of the lender's attention to token i goes to the borrower's token j."""
    own: Float[Tensor, " L"] | None = None
    """Weight of the borrower's own attention to each of its tokens; None is nothing of it."""


TextRule = Callable[[int], Borrowed | None]
"""Given the number of text tokens: what is borrowed in this call, or None for plain attention."""


@contextmanager
def borrowing(network: nn.Module, rule: TextRule) -> Generator[None, None, None]:
    """Apply `rule` to every text attention of a UNet while the block runs.

    The rule is asked anew in every layer of every call. On leaving, also by an exception, the very
    same processor objects stand in their places again.
    """
    layers = [
        layer for layer in network.modules() if isinstance(layer, Attention) and layer.is_cross_attention
    ]
    before = [(layer, layer.processor) for layer in layers]
    try:
        for layer in layers:
            images = layer.processor if isinstance(layer.processor, ImageAttention) else None
            layer.set_processor(_TextProcessor(rule, images))  # pyright: ignore[reportArgumentType]
        yield
    finally:
        for layer, processor in before:
            layer.set_processor(processor)


class _TextProcessor:
    """What diffusers calls in place of its own attention."""

    def __init__(self, rule: TextRule, images: ImageAttention | None) -> None:
        self.rule, self.images = rule, images

    def __call__(
        self,
        attn: Attention,
        hidden_states: Float[Tensor, "batch queries D"],
        encoder_hidden_states: Float[Tensor, "batch L D_text"] | TextAndImages,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Float[Tensor, "batch queries D"]:
        read = encoder_hidden_states
        text = read.text if isinstance(read, TextAndImages) else read
        assert attn.to_k is not None and attn.to_v is not None
        q, k = in_heads(attn, attn.to_q(hidden_states)), in_heads(attn, attn.to_k(text))
        y = _attended(q, k, in_heads(attn, attn.to_v(text)), attn.scale, self.rule(text.shape[1]))
        if isinstance(read, TextAndImages) and self.images is not None:
            y = y + self.images.of_images(attn, q, read)
        return joined(attn, y)


def _attended(
    q: Float[Tensor, "batch heads queries d"],
    k: Float[Tensor, "batch heads L d"],
    v: Float[Tensor, "batch heads L d"],
    scale: float,
    borrowed: Borrowed | None,
) -> Float[Tensor, "batch heads queries d"]:
    def attend(asks: slice, values: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q[asks], k[asks], values, scale=scale)

    if borrowed is None:
        return attend(slice(None), v)
    lender, borrower = borrowed.lender, borrowed.borrower
    y = torch.empty_like(q)
    y[borrower] = attend(lender, borrowed.taken @ v[borrower])
    if borrowed.own is not None:
        y[borrower] += attend(borrower, borrowed.own[:, None] * v[borrower])
    for others in (slice(0, borrower.start), slice(borrower.stop, len(q))):
        if len(q[others]):
            y[others] = attend(others, v[others])
    return y
