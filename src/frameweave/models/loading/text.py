"""The text side of a model: one CLIP tower, or SDXL's two."""

from collections.abc import Mapping
from typing import Any

from transformers import CLIPTextModel, CLIPTextModelWithProjection

from frameweave.errors import ModelFolderError
from frameweave.models.loading.parts import NO_REFINER, XL_PARTS, Parts, reads_pooled_text
from frameweave.models.text.encoder import ClipText, TextEncoder
from frameweave.models.text.reading import Reading
from frameweave.models.text.two_towers import TwoTowers

ZEROS = "force_zeros_for_empty_prompt"


def text_side(parts: Parts, unet: Mapping[str, Any], reading: Reading) -> TextEncoder:
    """What the UNet of these settings reads texts by.

    Raises `ModelFolderError`, and `InputError` for a layer that the text encoder does not have.
    """
    if reads_pooled_text(unet) and parts.index().get("text_encoder") == [None, None]:
        raise ModelFolderError(f"{parts.source}: it has no first text encoder", hint=NO_REFINER)
    encoder = parts.network(CLIPTextModel, "text_encoder")
    tokenizer = parts.tokenizer("tokenizer", encoder.config)
    if not reads_pooled_text(unet):
        return ClipText(encoder=encoder, tokenizer=tokenizer, reading=reading)
    second, second_tokenizer = XL_PARTS
    encoder_2 = parts.network(CLIPTextModelWithProjection, second)
    return TwoTowers(
        encoder=encoder,
        tokenizer=tokenizer,
        encoder_2=encoder_2,
        tokenizer_2=parts.tokenizer(second_tokenizer, encoder_2.config),
        zeros_for_empty=_zeros_for_empty(parts),
        reading=reading,
    )


def _zeros_for_empty(parts: Parts) -> bool:
    """What model_index.json says of an empty negative prompt; SDXL's own says zeros."""
    said = parts.index().get(ZEROS, True)
    if not isinstance(said, bool):
        raise ModelFolderError(
            f"{parts.source}/model_index.json: {ZEROS} is {said!r}, expected true or false",
            hint="copy or download it again",
        )
    return said
