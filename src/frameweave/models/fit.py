"""Whether a model can be used, and its networks belong together: else an edit's first step would fail."""

import math
from collections.abc import Mapping
from typing import Any

from frameweave.errors import ModelFolderError
from frameweave.models.stable_diffusion import StableDiffusion

_LATER = "give such a model; SDXL and later ones are not supported"
_CLASSES = "the class of a picture, or how blurred a small one is"
_CONDITIONS = {
    "class_embed_type": (_CLASSES, "give a model without classes, not an upscaler"),
    "num_class_embeds": (_CLASSES, "give a model without classes, not an upscaler"),
    "encoder_hid_dim_type": (
        "texts or pictures of another encoder",
        "give a Stable Diffusion 1.x or 2.x model",
    ),
    "time_cond_proj_dim": (
        "the guidance scale, as latent consistency models do",
        "give the model that it was distilled from",
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
    width, expected = int(unet["cross_attention_dim"]), int(model.text_encoder.config.hidden_size)
    if width != expected or unet.get("addition_embed_type") is not None:
        raise ModelFolderError(
            f"{source}: no Stable Diffusion 1.x or 2.x model: its UNet reads text embeddings {width} wide "
            f"and {unet.get('addition_embed_type') or 'nothing else'}, "
            f"the text encoder's are {expected} wide",
            hint=_LATER,
        )
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
    if model.controlnet is not None:
        _check_controlnet(unet, model.controlnet.config)


def _check_controlnet(unet: Mapping[str, Any], control: Mapping[str, Any]) -> None:
    todo = "name a --controlnet made for this version of Stable Diffusion"
    own, width = control["cross_attention_dim"], unet["cross_attention_dim"]
    if own != width:
        raise ModelFolderError(
            f"the ControlNet reads text embeddings {own} wide, the model's are {width} wide", hint=todo
        )
    theirs, ours = ([*config["block_out_channels"]] for config in (control, unet))
    if theirs != ours:
        raise ModelFolderError(
            f"the ControlNet's blocks have {theirs} channels, the UNet's have {ours}", hint=todo
        )


def _check_numbers(part: str, config: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        value = config.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ModelFolderError(
                f"{part}/config.json: {name} is {value!r}, expected one number above 0",
                hint="copy or download it again",
            )
