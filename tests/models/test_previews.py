"""Small pictures of latents: against decoding, and against the published maps by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch.utils.flop_counter import FlopCounterMode

from frameweave.models.loading.load import load
from frameweave.models.previews import LatentColours
from frameweave.models.seam import Frames, Latents
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip

CLIPS = sorted((Path(__file__).parents[2] / "src/frameweave/world/clips").glob("*.mp4"))


@pytest.fixture(scope="module")
def miniature() -> StableDiffusion:
    return load(device="cpu")


@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem)
def test_they_look_like_the_decoded_frames(path: Path, miniature: StableDiffusion) -> None:
    x_0 = miniature.encode(Clip.read(path, frames=3).frames)
    small = LatentColours.of(miniature).frames(x_0)
    decoded = F.interpolate(miniature.decode(x_0), small.shape[2:], mode="area")
    assert small.shape == (3, 3, 16, 16)
    assert (small - decoded).abs().mean() < 0.05
    assert torch.corrcoef(torch.stack([small.flatten(), decoded.flatten()]))[0, 1] > 0.98


def test_they_are_a_hundred_times_cheaper(miniature: StableDiffusion) -> None:
    """In multiplications and additions: seconds depend on what else the machine does."""
    x_0 = miniature.encode(Clip.read(CLIPS[0], frames=2).frames)
    colours = LatentColours.of(miniature)

    def operations(what: Callable[[Latents], Frames]) -> int:
        with FlopCounterMode(display=False) as counter:
            what(x_0)
        return counter.get_total_flops()

    assert operations(miniature.decode) > 100 * operations(colours.frames) > 0


def test_a_map_is_fitted_once(tiny: StableDiffusion, monkeypatch: pytest.MonkeyPatch) -> None:
    first = LatentColours.of(tiny)
    monkeypatch.setattr(LatentColours, "fitted", None)
    assert LatentColours.of(replace(tiny, chunk_size=1)) is first


def _full_size(scaling: float) -> AutoencoderKL:
    with torch.device("meta"):
        return AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            scaling_factor=scaling,
        )


SD = ((0.298, 0.187, -0.158, -0.184), (0.207, 0.286, 0.189, -0.271), (0.208, 0.173, 0.264, -0.473))
SDXL = ((60, -60, 25, -70, 150), (60, -5, 15, -50, 140), (60, 10, -5, -35, 130))
"""For red, green and blue: SD's in [-1, 1], SDXL's in bytes, with what is added."""


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        (0.18215, [(a * 0.5 + b + c * 1.5 + d * 2) / 2 + 0.5 for a, b, c, d in SD]),
        (0.13025, [(a * 0.5 + b + c * 1.5 + d * 2 + e) / 255 for a, b, c, d, e in SDXL]),
    ],
)
def test_usual_models_have_the_published_maps(
    scaling: float, expected: list[float], tiny: StableDiffusion
) -> None:
    latents = torch.tensor([0.5, 1.0, 1.5, 2.0]).view(1, 4, 1, 1)
    found = LatentColours.of(replace(tiny, vae=_full_size(scaling))).frames(latents).flatten()
    assert torch.allclose(found, torch.tensor(expected).clamp(0, 1), atol=1e-6)
