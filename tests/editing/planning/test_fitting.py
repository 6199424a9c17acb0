"""How many frames fit, against what calls of the network really allocate in shapes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from frameweave.editing.footage import Fit
from frameweave.editing.planning.fitting import fitted, fitting_frames
from frameweave.editors import registry
from frameweave.models.loading.load import load
from frameweave.models.running.asked import placed
from frameweave.models.running.meter import Meter
from frameweave.models.running.placement import Placement
from frameweave.models.running.shapes import networks_in, shapes_of, weight_bytes
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import Notes

FIT = Fit.of((64, 64), 64, 8)
GPU = torch.device("cuda")


def taken(tiny: StableDiffusion, frames: int) -> int:
    """Of a call of three streams, with the weights."""
    shapes = shapes_of(tiny)
    x = torch.empty(3 * frames, 4, 32, 32, device="meta")
    with torch.no_grad(), Meter(GPU) as meter:
        shapes.predict(x, 1, shapes.conditioning([""]))
    return meter.device_peak + weight_bytes(networks_in([tiny.unet, tiny.controls]))


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_what_fits_fits(tiny: StableDiffusion, frames: int) -> None:
    enough = taken(tiny, frames) / 0.8
    assert fitting_frames(tiny, FIT, int(1.02 * enough)) == frames
    assert fitting_frames(tiny, FIT, int(0.95 * enough)) == max(1, frames - 1)


def test_tiles_are_told_where_frames_are_cut(tiny_folder: Path) -> None:
    notes, model = Notes(), load(str(tiny_folder), device="cpu", vae_tiles=True)
    fitted(registry.make("framewise", {}), model, Fit.of((32, 32), 32, 8), notes)
    assert not notes.texts
    fitted(registry.make("framewise", {}), model, FIT, notes)
    assert notes.texts == ["frames above 32 pixels are encoded and decoded in tiles: they differ a little"]


def test_only_what_is_too_large_is_lowered(
    tiny_folder: Path, tiny: StableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = int(1.02 * taken(tiny, 3) / 0.8)
    monkeypatch.setattr("frameweave.editing.planning.fitting.free_bytes", lambda device: free)
    notes, model = Notes(), placed(load(str(tiny_folder), device="cpu"), Placement(GPU))
    small, large = (registry.make("framewise", {"chunk_size": size}) for size in (2, 16))
    assert fitted(small, model, FIT, notes) == small and not notes.texts
    assert fitted(large, model, FIT, notes) == large.replaced(chunk_size=3)
    assert notes.texts == ["3 frames go through the UNet at once, not 16: so many fit into the memory"]
    assert fitted(large, replace(model, placement=None), FIT, notes) == large
    other = registry.make("vid2vid_zero", {})
    assert fitted(other, model, FIT, notes) == other, "it has no chunk_size"
