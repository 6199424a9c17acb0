"""A tiny Stable-Diffusion-shaped model with random weights, saved as a diffusers folder."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    DPTForDepthEstimation,
)

from frameweave.adaptor.adaptor import Adaptor, architecture
from frameweave.adaptor.card import Card
from frameweave.adaptor.lora import added_lora, pattern
from frameweave.adaptor.tokens import PrefixTokens
from frameweave.miniature.depth import new_estimator
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.world.grammar import train_tokenizer

WIDTH = 16


def save_tiny(folder: Path) -> None:
    """Two levels, eight pixels per latent side halved twice; takes frames in multiples of 4 pixels."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(folder / "tokenizer")
    unet = UNet2DConditionModel(
        sample_size=16,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(8, 16),
        attention_head_dim=2,
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=WIDTH,
    )
    for weight in unet.conv_out.parameters():  # a fresh UNet predicts almost nothing
        weight.data.mul_(4)
    control = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8))
    for layer in (*control.controlnet_down_blocks, control.controlnet_mid_block):  # zero at first
        torch.nn.init.normal_(layer.weight, std=0.2)
    stem = control.controlnet_cond_embedding.conv_out.weight
    torch.nn.init.normal_(stem, std=0.2, generator=torch.Generator().manual_seed(0))
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=tokenizer.model_max_length,
            projection_dim=WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(4, 8),
        norm_num_groups=2,
        latent_channels=4,
        sample_size=32,
        mid_block_add_attention=False,
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    control.save_pretrained(folder / "controlnet")
    save_tower(folder / "clip")
    save_depth_estimator(folder / "depth_estimator")


def save_depth_estimator(folder: Path) -> None:
    """A random depth estimator."""
    estimator: DPTForDepthEstimation = new_estimator()
    for layer in estimator.head.modules():  # random heads end below zero, where all depth is flat
        if isinstance(layer, torch.nn.Conv2d):
            layer.weight.data.mul_(3)
            layer.bias.data.fill_(1)
    estimator.save_pretrained(folder)


def save_tower(folder: Path, width: int = 12) -> str:
    """A random vision tower."""
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    CLIPVisionModel(config).save_pretrained(folder)
    return str(folder)


def new_adaptor(tiny: StableDiffusion, *, rank: int = 4, alpha: float = 4.0, base: str = "tiny") -> Adaptor:
    """Random LoRA pairs on the down blocks, strong enough to show, and three shared tokens."""
    layers, rng = pattern("down"), torch.Generator().manual_seed(5)
    with added_lora(tiny.unet, rank=rank, alpha=alpha, layers=layers) as lora:
        weights = {key: 0.3 * torch.randn(w.shape, generator=rng) for key, w in lora.weights().items()}
    tokens = PrefixTokens(3, tiny.text.width, 12, stride=2, rng=rng).requires_grad_(False)
    card = Card(base=base, architecture=architecture(tiny.unet), layers=layers, rank=rank, alpha=alpha)
    return Adaptor(weights, tokens, card)


def prediction(unet: torch.nn.Module, t: float | torch.Tensor) -> torch.Tensor:
    """The UNet's output for two fixed inputs and texts."""
    rng = torch.Generator().manual_seed(3)
    x, text = torch.randn(2, 4, 16, 16, generator=rng), torch.randn(2, 5, WIDTH, generator=rng)
    with torch.no_grad():
        return unet(x, t, text, return_dict=False)[0]
