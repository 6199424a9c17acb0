"""Text attention that looks at pictures too, each by keys and values of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from jaxtyping import Float
from torch import Tensor, nn

Heads = Float[Tensor, "batch heads _ d"]


@dataclass(frozen=True, eq=False)
class TextAndImages:
    """What a text attention reads: the text, and tokens of pictures with their strengths."""

    text: Float[Tensor, "batch L D"]
    images: Sequence[tuple[Float[Tensor, "batch T D"], float | Float[Tensor, "batch 1 1 1"]]]


@dataclass(frozen=True, eq=False)
class ImageStates:
    """Tokens of a picture in each guidance branch, how strongly and when they act."""

    tokens: Float[Tensor, "branches T D"]
    strength: float
    window: tuple[float, float]
    unseen: tuple[int, ...] = ()
    """Branches that do not read it: those of the source."""

    def acts(self, t: float) -> bool:
        """Whether it is read at all at a timestep."""
        return self.strength != 0 and self.window[0] < t <= self.window[1]

    def of(self, which: list[int]) -> "ImageStates":
        """Some branches."""
        unseen = tuple(place for place, branch in enumerate(which) if branch in self.unseen)
        return replace(self, tokens=self.tokens[which], unseen=unseen)

    def strengths(self, like: Tensor, times: int) -> float | Float[Tensor, "batch 1 1 1"]:
        """Of a branch-major batch in which each branch stands so many times."""
        if not self.unseen:
            return self.strength
        own = [0.0 if branch in self.unseen else self.strength for branch in range(len(self.tokens))]
        return like.new_tensor(own).repeat_interleave(times).view(-1, 1, 1, 1)


class ImageAttention(nn.Module):
    """What diffusers calls in place of a text attention; with a text alone it is the one before."""

    def __init__(self, plain: Any, to_k: nn.Linear, to_v: nn.Linear) -> None:
        super().__init__()
        self.plain, self.to_k, self.to_v = plain, to_k, to_v

    def forward(
        self,
        attn: Attention,
        hidden_states: Float[Tensor, "batch queries D"],
        encoder_hidden_states: Tensor | TextAndImages,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Float[Tensor, "batch queries D"]:
        if isinstance(encoder_hidden_states, Tensor):
            return self.plain(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        assert attn.to_q is not None and attn.to_k is not None and attn.to_v is not None
        text = encoder_hidden_states.text
        q = in_heads(attn, attn.to_q(hidden_states))
        k, v = in_heads(attn, attn.to_k(text)), in_heads(attn, attn.to_v(text))
        y = F.scaled_dot_product_attention(q, k, v, scale=attn.scale)
        return joined(attn, y + self.of_images(attn, q, encoder_hidden_states))

    def of_images(self, attn: Attention, q: Heads, read: TextAndImages) -> Heads | float:
        """What queries find in the pictures, times their strengths."""
        found: Tensor | float = 0.0
        for tokens, strength in read.images:
            k, v = in_heads(attn, self.to_k(tokens)), in_heads(attn, self.to_v(tokens))
            found = found + strength * F.scaled_dot_product_attention(q, k, v, scale=attn.scale)
        return found


def in_heads(attn: Attention, tokens: Float[Tensor, "batch N inner"]) -> Heads:
    """The same, a head apart from the others."""
    return tokens.unflatten(2, (attn.heads, -1)).transpose(1, 2)


def joined(attn: Attention, y: Heads) -> Float[Tensor, "batch queries D"]:
    """The heads' results through the layer's last projection."""
    assert attn.to_out is not None
    project, dropout = attn.to_out[0], attn.to_out[1]
    return dropout(project(y.transpose(1, 2).flatten(2))) / attn.rescale_output_factor
