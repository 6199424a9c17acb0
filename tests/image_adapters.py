"""Tiny IP-Adapters with random weights, in the layout that people's files have, with their encoder."""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

HIDDEN, PROJECTED = 12, 10
_LAYER = {
    "0.norm1.weight": (64,),
    "0.norm1.bias": (64,),
    "0.norm2.weight": (64,),
    "0.norm2.bias": (64,),
    "0.to_q.weight": (64, 64),
    "0.to_kv.weight": (128, 64),
    "0.to_out.weight": (64, 64),
    "1.0.weight": (64,),
    "1.0.bias": (64,),
    "1.1.weight": (256, 64),
    "1.3.weight": (64, 256),
}
"""Of the four layers by which Plus variants read patches."""


def save_encoder(folder: Path, projected: int = PROJECTED) -> Path:
    torch.manual_seed(2)
    config = CLIPVisionConfig(
        hidden_size=HIDDEN,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=projected,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return folder


def adapter_tensors(unet: UNet2DConditionModel, variant: str = "plain") -> dict[str, torch.Tensor]:
    """Four tokens of a picture, with "plus" three of its patches, with "full face" one of each patch."""
    rng = torch.Generator().manual_seed(4)
    width = int(unet.config["cross_attention_dim"])

    def drawn(*shape: int) -> torch.Tensor:
        return 0.5 * torch.randn(shape, generator=rng)

    by_variant = {
        "plain": {
            "proj.weight": drawn(4 * width, PROJECTED),
            "proj.bias": drawn(4 * width),
            "norm.weight": drawn(width),
            "norm.bias": drawn(width),
        },
        "plus": {
            "latents": drawn(1, 3, 64),
            "proj_in.weight": drawn(64, HIDDEN),
            "proj_in.bias": drawn(64),
            "proj_out.weight": drawn(width, 64),
            "proj_out.bias": drawn(width),
            "norm_out.weight": drawn(width),
            "norm_out.bias": drawn(width),
            **{f"layers.{n}.{name}": drawn(*shape) for n in range(4) for name, shape in _LAYER.items()},
        },
        "full face": {
            "proj.0.weight": drawn(HIDDEN, HIDDEN),
            "proj.0.bias": drawn(HIDDEN),
            "proj.2.weight": drawn(width, HIDDEN),
            "proj.2.bias": drawn(width),
            "proj.3.weight": drawn(width),
            "proj.3.bias": drawn(width),
        },
    }
    found = by_variant[variant]
    tensors = {f"image_proj.{name}": tensor for name, tensor in found.items()}
    for number, name in enumerate(unet.attn_processors):
        layer = unet.get_submodule(name.removesuffix(".processor"))
        if layer.is_cross_attention:
            for what in "kv":
                tensors[f"ip_adapter.{number}.to_{what}_ip.weight"] = drawn(layer.inner_dim, width)
    return tensors


def save_adapter(folder: Path, unet: UNet2DConditionModel, variant: str = "plain") -> Path:
    """The file, its encoder in a folder beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(adapter_tensors(unet, variant), folder / "ip.safetensors")
    save_encoder(folder / "image_encoder")
    return folder / "ip.safetensors"
