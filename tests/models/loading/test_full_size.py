"""The real path cannot rot: a random model of Stable Diffusion 1.5's shape edits real-sized frames."""

import resource
import time
from pathlib import Path

import pytest
import torch

from frameweave.editors.framewise import Framewise
from frameweave.editors.running import edit_clip
from frameweave.models.loading.load import load
from frameweave.video.clip import Clip
from full_size import save_full_size


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
    result = edit_clip(Framewise(steps=2), clip, "a red car", model, rng=torch.Generator().manual_seed(0))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nSD 1.5 shape, 2 frames of 512 x 512, 2 steps: {seconds:.0f} s, peak memory {peak:.1f} GiB")
    assert result.frames.shape == clip.frames.shape
    assert torch.isfinite(result.frames).all()
