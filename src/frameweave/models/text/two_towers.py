"""SDXL's text side: two CLIP towers that read the same prompts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from frameweave.models.text.encoder import Encoded, TextEncoder
from frameweave.models.text.parts import laid_out
from frameweave.models.text.reading import USUAL, Reading


@dataclass(frozen=True, eq=False, kw_only=True)
class TwoTowers(TextEncoder):
    """Both towers' last but one hidden states side by side, and the second tower's pooled text.

    The towers' tokenizers may differ in padding. Both take texts of one length, that of the shorter one.
    """

    encoder: CLIPTextModel
    encoder_2: CLIPTextModelWithProjection
    tokenizer_2: CLIPTokenizer
    zeros_for_empty: bool = True
    """What an empty negative prompt is, as the model was trained: zeros, or else the encoding of ""."""
    reading: Reading = USUAL
    """Its `clip_skip` 1 is the last but one layer, with which SDXL was trained."""

    def __post_init__(self) -> None:
        shorter = min(self.tokenizer.model_max_length, self.tokenizer_2.model_max_length)
        self.tokenizer.model_max_length = self.tokenizer_2.model_max_length = shorter
        fewest = min(tower.config.num_hidden_layers for tower in (self.encoder, self.encoder_2))
        self.reading.check(fewest - 1)  # the last layer is never read

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        return (self.encoder, self.encoder_2)

    @property
    def tokenizers(self) -> tuple[CLIPTokenizer, ...]:
        return (self.tokenizer, self.tokenizer_2)

    def with_tokenizers(self, tokenizers: tuple[CLIPTokenizer, ...]) -> "TwoTowers":
        return replace(self, tokenizer=tokenizers[0], tokenizer_2=tokenizers[1])

    @property
    def width(self) -> int:
        return int(self.encoder.config.hidden_size + self.encoder_2.config.hidden_size)

    @property
    def pooled_width(self) -> int:
        """Of the vector that stands for a whole prompt."""
        return self.encoder_2.text_projection.out_features

    def encode(self, prompts: Sequence[str], negative: Sequence[int] = ()) -> Encoded:
        """A negative prompt that is blank but not empty, such as " ", is always encoded."""
        ours, theirs = laid_out([self.tokenizer, self.tokenizer_2], prompts, self.reading.syntax)
        device, layer = self.encoder.device, -1 - self.reading.clip_skip
        first = self.encoder(ours.flat.to(device), output_hidden_states=True).hidden_states[layer]
        second = self.encoder_2(theirs.flat.to(device), output_hidden_states=True)
        texts = torch.cat([ours.joined(first), theirs.joined(second.hidden_states[layer])], dim=-1)
        pooled = theirs.of_first_parts(second.text_embeds)
        if self.zeros_for_empty and (none := [k for k in negative if not prompts[k]]):
            texts[none], pooled[none] = 0, 0
        cut = tuple(one or other for one, other in zip(ours.cut, theirs.cut, strict=True))
        return Encoded(texts=texts, cut=cut, pooled=pooled)
