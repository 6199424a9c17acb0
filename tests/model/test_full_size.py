"""The real path cannot rot: a random model of Stable Diffusion 1.5's shape edits real-sized frames."""

import resource
import time
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from frameweave.clip import Clip
from frameweave.editors.framewise import Framewise
from frameweave.miniature.grammar import train_tokenizer
from frameweave.model.loading import load
from tests_shared import SD


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


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_frames_of_512_pixels(tmp_path: Path) -> None:
    save_full_size(tmp_path)
    model = load(str(tmp_path), device="cpu", dtype="fp32")
    parameters = sum(p.numel() for p in model.unet.parameters())
    assert 859_000_000 < parameters < 860_000_000
    assert (model.native, model.multiple, model.vae_factor) == (512, 64, 8)
    clip = Clip.of(torch.rand(2, 3, 512, 512, generator=torch.Generator().manual_seed(0)))
    start = time.perf_counter()
    result = Framewise(steps=2).edit(clip, "a red car", model, rng=torch.Generator().manual_seed(0))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nSD 1.5 shape, 2 frames of 512 x 512, 2 steps: {seconds:.0f} s, peak memory {peak:.1f} GiB")
    assert result.frames.shape == clip.frames.shape
    assert torch.isfinite(result.frames).all()
