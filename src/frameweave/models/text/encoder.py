"""What turns prompts into what a UNet reads: `TextEncoder`, and the one of Stable Diffusion 1.x and 2.x."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from frameweave.models.seam import Said, TextStates
from frameweave.models.text.parts import laid_out, said
from frameweave.models.text.reading import USUAL, Reading


@dataclass(frozen=True, eq=False, kw_only=True)
class Encoded:
    """Prompts, one guidance branch each, as a UNet reads them."""

    texts: TextStates
    cut: tuple[str, ...]
    """The end of each prompt that the encoder could not take; empty for one that fits."""
    pooled: Float[Tensor, "branches P"] | None = None
    """One vector for each whole prompt, for models that want one."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TextEncoder(ABC):
    """The text side of a model: its tokenizer and networks are given, its one verb is `encode`."""

    tokenizer: CLIPTokenizer
    """Tells which positions of an encoded text belong to which word."""
    reading: Reading = USUAL

    @property
    @abstractmethod
    def networks(self) -> tuple[nn.Module, ...]: ...

    @property
    @abstractmethod
    def tokenizers(self) -> tuple[CLIPTokenizer, ...]:
        """One for each network."""

    @abstractmethod
    def with_tokenizers(self, tokenizers: tuple[CLIPTokenizer, ...]) -> "TextEncoder":
        """The same with others in their places."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Of each token that `encode` gives."""

    @property
    @abstractmethod
    def pooled_width(self) -> int | None:
        """Of the vector for each whole prompt that `encode` gives too; None where it gives none."""

    @abstractmethod
    def encode(self, prompts: Sequence[str], negative: Sequence[int] = ()) -> Encoded:
        """`negative` are the branches that guidance leads away from."""

    def said(self, prompts: Sequence[str]) -> tuple[Said, ...]:
        """See `Model.said`."""
        return said(self.tokenizers, prompts, self.reading.syntax)

    def as_written(self) -> "TextEncoder":
        """The same for prompts without syntax."""
        return replace(self, reading=replace(self.reading, syntax="plain"))


@dataclass(frozen=True, eq=False, kw_only=True)
class ClipText(TextEncoder):
    """The text tower of Stable Diffusion 1.x and 2.x: its last hidden states.

    Raises `InputError` for a `clip_skip` of more layers than it has.
    """

    encoder: CLIPTextModel

    def __post_init__(self) -> None:
        self.reading.check(int(self.encoder.config.num_hidden_layers))

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        return (self.encoder,)

    @property
    def tokenizers(self) -> tuple[CLIPTokenizer, ...]:
        return (self.tokenizer,)

    def with_tokenizers(self, tokenizers: tuple[CLIPTokenizer, ...]) -> "ClipText":
        return replace(self, tokenizer=tokenizers[0])

    @property
    def width(self) -> int:
        return int(self.encoder.config.hidden_size)

    @property
    def pooled_width(self) -> None:
        return None

    def encode(self, prompts: Sequence[str], negative: Sequence[int] = ()) -> Encoded:
        (given,) = laid_out([self.tokenizer], prompts, self.reading.syntax)
        states = self._states(given.flat.to(self.encoder.device))
        return Encoded(texts=given.joined(states), cut=given.cut)

    def _states(self, ids: Int[Tensor, "all L"]) -> Float[Tensor, "all L D"]:
        """Of an earlier layer the states after the last norm, as if the layers behind it were not there."""
        if self.reading.clip_skip == 1:
            return self.encoder(ids).last_hidden_state
        layers = self.encoder(ids, output_hidden_states=True).hidden_states
        return self.encoder.final_layer_norm(layers[-self.reading.clip_skip])
