"""The real path cannot rot: one step of stage 3 on a random model of Stable Diffusion 1.5's shape."""

import math
import resource
import time
from pathlib import Path

import pytest
import torch
from transformers import CLIPVisionModel

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.training.options import TrainOptions
from frameweave.training.train import train
from full_size import CLIP_B32, CLIP_L14, add_control_and_vision, save_full_size


@pytest.mark.parametrize(("config", "millions"), [(CLIP_B32, 87), (CLIP_L14, 303)])
def test_vision_towers_have_their_size(config: object, millions: int) -> None:
    with torch.device("meta"):
        tower = CLIPVisionModel(config)  # pyright: ignore
    assert sum(p.numel() for p in tower.parameters()) // 10**6 == millions


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_one_step_at_512_pixels(tmp_path: Path) -> None:
    model = tmp_path / "model"
    save_full_size(model)
    add_control_and_vision(model)
    torch.set_num_threads(2)
    start = time.perf_counter()
    options = TrainOptions(
        model=str(model), device="cpu", size=512, groups=1, held_out=1, batch=1, accumulate=1, steps=1,
        warmup=1, checkpointing=True, token_mode="always", vision_drop=0.0, ema=0.0, norms_every=0,
        precision="fp32", out=tmp_path / "run",
    )  # fmt: skip
    done = train(("lora",), options)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nSD 1.5 shape, one step of stage 3 at 512 x 512: {seconds:.0f} s, peak memory {peak:.1f} GiB")
    assert math.isfinite(done.figures["lora_held_out_noise"])
    adaptor = load_adaptor(str(tmp_path / "run" / "adaptor"))
    assert len(adaptor.lora) == 96
    assert all(float(w.abs().max()) > 0 for key, w in adaptor.lora.items() if "lora_B" in key)
    assert adaptor.tokens is not None
    assert adaptor.tokens.W_proj.weight.shape == (768, 768)
