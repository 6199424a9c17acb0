"""Whether a ControlNet is one, and belongs to the model: else an edit's first step would fail."""

from collections.abc import Mapping
from typing import Any

from frameweave.errors import ModelFolderError
from frameweave.models.loading.single_file.kinds import BY_WIDTH

_OTHERS = {
    "ControlNetUnionModel": "a ControlNet-Union, which serves several kinds of pictures",
    "T2IAdapter": "a T2I-Adapter",
    "MultiAdapter": "several T2I-Adapters",
    "ControlNetXSAdapter": "a ControlNet-XS",
}
"""What is like a ControlNet and not used like one."""
_TODO = "name a ControlNet made for this kind of model"
_USUAL: Mapping[str, Any] = {
    "in_channels": 4,
    "conditioning_channels": 3,
    "layers_per_block": 2,
    "block_out_channels": (320, 640, 1280, 1280),
    "cross_attention_dim": 1280,
    "addition_embed_type": None,
    "projection_class_embeddings_input_dim": None,
    "global_pool_conditions": False,
    "controlnet_conditioning_channel_order": "rgb",
}
"""What diffusers takes where a config.json does not say."""


def check_kind(name: str, settings: Mapping[str, object]) -> None:
    """Raise `ModelFolderError` for settings of another kind of network."""
    found = str(settings.get("_class_name", "network without a name"))
    if found != "ControlNetModel":
        what = _OTHERS.get(found, f"a {found}")
        raise ModelFolderError(f"{name}: {what}, expected a ControlNet of one kind of pictures", hint=_TODO)


def check_settings(name: str, settings: Mapping[str, object], unet: Mapping[str, Any]) -> None:
    """Raise `ModelFolderError` for a ControlNet made for another kind of model than the UNet's."""
    own: dict[str, Any] = {key: settings.get(key, usual) for key, usual in _USUAL.items()}
    width, expected = own["cross_attention_dim"], unet["cross_attention_dim"]
    if width != expected:
        raise ModelFolderError(
            f"{name}: the ControlNet reads text embeddings {_wide(width)}, the model's are {_wide(expected)}",
            hint=_TODO,
        )
    beside, read = (
        [config.get(key) for key in ("addition_embed_type", "projection_class_embeddings_input_dim")]
        for config in (own, unet)
    )
    if beside != read:
        raise ModelFolderError(
            f"{name}: the ControlNet reads {beside[0] or 'nothing'} beside text embeddings, "
            f"the model's UNet {read[0] or 'nothing'}",
            hint=_TODO,
        )
    theirs, ours = ([*config["block_out_channels"]] for config in (own, unet))
    if theirs != ours:
        raise ModelFolderError(
            f"{name}: the ControlNet's blocks have {theirs} channels, the UNet's have {ours}", hint=_TODO
        )
    if own["layers_per_block"] != unet["layers_per_block"]:
        raise ModelFolderError(
            f"{name}: the ControlNet's blocks have {own['layers_per_block']} layers, "
            f"the UNet's have {unet['layers_per_block']}",
            hint=_TODO,
        )
    if own["global_pool_conditions"]:
        raise ModelFolderError(
            f"{name}: a ControlNet that takes its picture as a whole, as those of kind shuffle do",
            hint="name one whose picture shows where things are, such as canny",
        )
    if (own["conditioning_channels"], own["controlnet_conditioning_channel_order"]) != (3, "rgb"):
        raise ModelFolderError(
            f"{name}: a ControlNet for pictures of {own['conditioning_channels']} channels "
            f"({own['controlnet_conditioning_channel_order']}), expected 3 (rgb)",
            hint=_TODO,
        )


def _wide(width: object) -> str:
    made_for = BY_WIDTH.get(width) if isinstance(width, int) else None
    return f"{width} wide" + (f" ({made_for})" if made_for else "")
