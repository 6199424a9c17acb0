"""Whether a model can be used, and its networks belong together: else an edit's first step would fail."""

import math
from collections.abc import Mapping
from typing import Any

from frameweave.errors import ModelFolderError
from frameweave.models.conditioning import SIZES
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.models.text.encoder import TextEncoder

_CLASSES = "the class of a picture, or how blurred a small one is"
_CONDITIONS = {
    "class_embed_type": (_CLASSES, "give a model without classes, not an upscaler"),
    "num_class_embeds": (_CLASSES, "give a model without classes, not an upscaler"),
    "encoder_hid_dim_type": (
        "texts or pictures of another encoder",
        "give a Stable Diffusion 1.x, 2.x or SDXL model",
    ),
}
"""Settings of UNets that need more than latents, a timestep and a text: what they need, and what to do."""

_OTHER_LATENTS = ("shift_factor", "latents_mean", "latents_std")


def check_fit(source: str, model: StableDiffusion) -> None:
    """Raise `ModelFolderError` for a model that cannot be used, or whose networks do not belong together."""
    unet, vae = model.unet.config, model.vae.config
    _check_numbers(
        f"{source}/unet", unet, ("sample_size", "cross_attention_dim", "in_channels", "out_channels")
    )
    _check_numbers(f"{source}/vae", vae, ("latent_channels", "scaling_factor"))
    for name in _OTHER_LATENTS:
        if vae.get(name) is not None:
            raise ModelFolderError(
                f"{source}/vae: it has {name} {vae[name]!r}, expected none",
                hint="give the VAE that belongs to the model",
            )
    _check_text(source, unet, model.text)
    for name, (needed, todo) in _CONDITIONS.items():
        if unet.get(name) is not None:
            raise ModelFolderError(
                f"{source}: its UNet has {name} {unet[name]!r}: it needs {needed}, which no editor gives",
                hint=todo,
            )
    if unet["in_channels"] not in (model.channels, 2 * model.channels):
        raise ModelFolderError(
            f"{source}: a UNet of {unet['in_channels']} input channels, expected {model.channels}, or "
            f"{2 * model.channels} for a model that edits by instruction",
            hint="models for inpainting and the like cannot be used: give the model that it was made from",
        )
    if unet["out_channels"] != model.channels:
        raise ModelFolderError(
            f"{source}: a UNet of {unet['out_channels']} output channels, expected {model.channels}",
            hint="models that also predict a variance cannot be used",
        )


def _check_text(source: str, unet: Mapping[str, Any], text: TextEncoder) -> None:
    """The UNet reads texts of the text encoder's width, and pooled ones where the encoder gives them."""
    todo = "give a Stable Diffusion 1.x, 2.x or SDXL model; others are not supported"
    width, added = int(unet["cross_attention_dim"]), unet.get("addition_embed_type")
    if width != text.width or added != (None if text.pooled_width is None else "text_time"):
        raise ModelFolderError(
            f"{source}: no Stable Diffusion 1.x, 2.x or SDXL model: its UNet reads text embeddings {width} "
            f"wide and {added or 'nothing else'}, the text encoder's are {text.width} wide",
            hint=todo,
        )
    if text.pooled_width is not None:
        names = ("projection_class_embeddings_input_dim", "addition_time_embed_dim")
        _check_numbers(f"{source}/unet", unet, names)
        reads, each = (int(unet[name]) for name in names)
        if reads != text.pooled_width + SIZES * each:
            raise ModelFolderError(
                f"{source}: its UNet reads pooled text and sizes as {reads} numbers, and the text encoder's "
                f"{text.pooled_width} with {SIZES} sizes of {each} are {text.pooled_width + SIZES * each}",
                hint="give an SDXL base model; a refiner cannot be used",
            )


def _check_numbers(part: str, config: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        value = config.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ModelFolderError(
                f"{part}/config.json: {name} is {value!r}, expected one number above 0",
                hint="copy or download it again",
            )
