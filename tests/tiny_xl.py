"""A tiny SDXL-shaped model with random weights, saved as a diffusers folder."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from frameweave.world.grammar import train_tokenizer
from tiny import save_depth_estimator, save_tower

FIRST, SECOND, POOLED = 32, 48, 40
"""Widths of the two text towers, and of the second one's pooled text."""
WIDTH = FIRST + SECOND


def save_tiny_xl(folder: Path) -> None:
    """Two levels, four pixels per latent side; takes frames in multiples of 8 pixels."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(folder / "tokenizer")
    tokenizer_2 = train_tokenizer(folder / "tokenizer_2")
    tokenizer_2.pad_token = "!"  # as SDXL's second tokenizer: its texts end in other words than the first's
    unet = tiny_xl_unet()
    control = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8, 8))
    for layer in (*control.controlnet_down_blocks, control.controlnet_mid_block):  # zero at first
        torch.nn.init.normal_(layer.weight, std=0.2)
    torch.nn.init.normal_(control.controlnet_cond_embedding.conv_out.weight, std=0.2)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 16, 16),
        norm_num_groups=4,
        latent_channels=4,
        sample_size=64,
        scaling_factor=0.13025,
        force_upcast=True,
    )
    StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(_text(tokenizer, FIRST, 32, "quick_gelu")),
        text_encoder_2=CLIPTextModelWithProjection(_text(tokenizer_2, SECOND, POOLED, "gelu")),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer_2,
        unet=unet,
        scheduler=EulerDiscreteScheduler(  # as of SDXL base
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            timestep_spacing="leading",
            steps_offset=1,
        ),
        add_watermarker=False,
    ).save_pretrained(folder)
    control.save_pretrained(folder / "controlnet")
    save_tower(folder / "clip")
    save_depth_estimator(folder / "depth_estimator")


def tiny_xl_unet(**changed: object) -> UNet2DConditionModel:
    """Its UNet; with other settings, a relative that is like it but for them."""
    settings = {
        "sample_size": 16,
        "layers_per_block": 1,
        "block_out_channels": (16, 32),
        "norm_num_groups": 8,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": (2, 4),
        "transformer_layers_per_block": (1, 2),
        "use_linear_projection": True,
        "cross_attention_dim": WIDTH,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": POOLED + 6 * 8,
    }
    unet = UNet2DConditionModel(**settings | changed)
    for weight in unet.conv_out.parameters():  # a fresh UNet predicts almost nothing
        weight.data.mul_(4)
    return unet


def _text(tokenizer: CLIPTokenizer, width: int, projection: int, activation: str) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=4,
        hidden_act=activation,
        max_position_embeddings=tokenizer.model_max_length,
        projection_dim=projection,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
