"""One seam for the editors' attention: whose tokens ask, answer and speak.

Inside `with overridden(unet, rule)` every self-attention computes `rule(x, attend, site)` in
place of its own output. `x` is the layer's normalised input; `attend(q_from, k_from, v_from)`
runs the layer's own projections (with whatever LoRA sits on them) through SDPA. On leaving, also
by an exception, the very same processor objects stand in their places again.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from jaxtyping import Float
from torch import Tensor, nn

Tokens = Float[Tensor, "_ _ D"]
"""Batch, tokens, width."""
Heads = Float[Tensor, "_ heads _ d"]
"""Batch, heads, tokens, width of a head."""
Then = Callable[[Heads, Heads, Heads], Heads]
"""Given queries, keys, and what attention makes of them, gives what is projected in its place."""


@runtime_checkable
class Attend(Protocol):
    """Multi-head attention with the layer's frozen projections.

    Queries from `q_from` (batch Q D), keys from `k_from`, values from `v_from` (group N D). When
    the batch of keys is smaller, each group serves an equal run of queries, in order: one SDPA
    call, nothing is copied. When there are r times as many groups of values as of keys, queries and
    keys serve r times, each time with the next run of values. `then` comes between the attention and
    the output projection; its batch is that of the values.
    """

    def __call__(
        self, q_from: Tokens, k_from: Tokens, v_from: Tokens, then: Then | None = None
    ) -> Tokens: ...


@dataclass(frozen=True)
class Site:
    """Where in the network a self-attention sits."""

    name: str


AttentionRule = Callable[[Tokens, Attend, Site], Tokens]
"""Gives a self-attention's output from its input, from `Attend`, and from where it sits."""


def own(x: Tokens, attend: Attend, site: Site) -> Tokens:
    """The rule that changes nothing: each frame attends to itself."""
    return attend(x, x, x)


def self_attentions(network: nn.Module) -> dict[str, Attention]:
    """The self-attentions of a UNet or ControlNet by their names, in the order of its modules."""
    return {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, Attention) and not layer.is_cross_attention
    }


@contextmanager
def overridden(network: nn.Module, rule: AttentionRule) -> Generator[None, None, None]:
    """Apply `rule` to every self-attention of a UNet or ControlNet while the block runs."""
    layers = self_attentions(network)
    before = [(layer, layer.processor) for layer in layers.values()]
    try:
        for name, layer in layers.items():
            layer.set_processor(_RuleProcessor(rule, Site(name)))  # pyright: ignore[reportArgumentType]
        yield
    finally:
        for layer, processor in before:
            layer.set_processor(processor)


class _RuleProcessor:
    """What diffusers calls in place of its own attention."""

    def __init__(self, rule: AttentionRule, site: Site) -> None:
        self.rule, self.site = rule, site

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tokens,
        encoder_hidden_states: Tokens | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tokens:
        def attend(q_from: Tokens, k_from: Tokens, v_from: Tokens, then: Then | None = None) -> Tokens:
            return attention(attn, q_from, k_from, v_from, then)

        y = self.rule(hidden_states, attend, self.site)
        return y if attn.rescale_output_factor == 1 else y / attn.rescale_output_factor


def attention(
    attn: Attention, q_from: Tokens, k_from: Tokens, v_from: Tokens, then: Then | None = None
) -> Tokens:
    """softmax(Q K^T / sqrt(d)) V with the layer's projections; see `Attend` for unequal batches."""
    queries = q_from.shape[1]
    groups, times, d = len(k_from), len(v_from) // len(k_from), attn.inner_dim // attn.heads

    def heads(tokens: Tensor, groups: int) -> Tensor:
        return tokens.reshape(groups, -1, attn.heads, d).transpose(1, 2)

    assert attn.to_k is not None and attn.to_v is not None and attn.to_out is not None
    q, k = heads(attn.to_q(q_from), groups), heads(attn.to_k(k_from), groups)
    v = heads(attn.to_v(v_from), len(v_from))
    if times > 1:
        q, k = q.repeat(times, 1, 1, 1), k.repeat(times, 1, 1, 1)
    y = F.scaled_dot_product_attention(q, k, v, scale=attn.scale)
    y = y if then is None else then(q, k, y)
    y = y.transpose(1, 2).reshape(times * len(q_from), queries, attn.inner_dim)
    project, dropout = attn.to_out[0], attn.to_out[1]
    return dropout(project(y))
