"""Stable Diffusion 1.5's shape with random weights, as a diffusers folder in fp16; SDXL's without weights."""

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
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModel,
)

from frameweave.diffusion.schedule import Schedule
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.models.text.two_towers import TwoTowers
from frameweave.world.grammar import train_tokenizer
from tests_shared import SD

CLIP_B32 = CLIPVisionConfig(
    hidden_size=768,
    intermediate_size=3072,
    num_hidden_layers=12,
    num_attention_heads=12,
    image_size=224,
    patch_size=32,
)
CLIP_L14 = CLIPVisionConfig(
    hidden_size=1024,
    intermediate_size=4096,
    num_hidden_layers=24,
    num_attention_heads=16,
    image_size=224,
    patch_size=14,
)


def save_full_size(folder: Path) -> None:
    """SD 1.5's configs with random weights, in fp16."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(folder / "tokenizer")
    tokenizer.model_max_length = 77
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            latent_channels=4,
            sample_size=512,
        ),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                hidden_size=768,
                intermediate_size=3072,
                num_hidden_layers=12,
                num_attention_heads=12,
                projection_dim=768,
            )
        ),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(sample_size=64, cross_attention_dim=768),
        scheduler=DDIMScheduler(**SD, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(folder)


def add_control_and_vision(folder: Path) -> None:
    """A depth ControlNet from the folder's UNet, and a CLIP ViT-B/32 vision tower."""
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", dtype=torch.float16)
    ControlNetModel.from_unet(unet).half().save_pretrained(folder / "controlnet")
    CLIPVisionModel(CLIP_B32).save_pretrained(folder / "clip")


def sdxl_unet() -> UNet2DConditionModel:
    """SDXL's UNet without weights, on the meta device: it has shapes only."""
    with torch.device("meta"):
        return UNet2DConditionModel(
            sample_size=128,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            block_out_channels=(320, 640, 1280),
            attention_head_dim=(5, 10, 20),
            transformer_layers_per_block=(1, 2, 10),
            use_linear_projection=True,
            cross_attention_dim=2048,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )


def sdxl(tokenizer_folder: Path) -> StableDiffusion:
    """All of SDXL base on the meta device."""
    tokenizers = [train_tokenizer(tokenizer_folder / name) for name in ("tokenizer", "tokenizer_2")]
    for tokenizer in tokenizers:
        tokenizer.model_max_length = 77
    with torch.device("meta"):
        first = CLIPTextModel(
            CLIPTextConfig(
                hidden_size=768, intermediate_size=3072, num_attention_heads=12, projection_dim=768
            )
        )
        second = CLIPTextModelWithProjection(
            CLIPTextConfig(
                hidden_size=1280,
                intermediate_size=5120,
                num_hidden_layers=32,
                num_attention_heads=20,
                hidden_act="gelu",
                projection_dim=1280,
            )
        )
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            latent_channels=4,
            sample_size=1024,
            scaling_factor=0.13025,
        )
    text = TwoTowers(encoder=first, tokenizer=tokenizers[0], encoder_2=second, tokenizer_2=tokenizers[1])
    return StableDiffusion(vae=vae, unet=sdxl_unet(), text=text, schedule=Schedule.from_config(SD))
