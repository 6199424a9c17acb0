"""Reference rows by hand."""

import pytest
import torch

from frameweave.measuring.experiments.items import TableItem, world_items
from frameweave.measuring.experiments.pairs import pair_of
from frameweave.measuring.experiments.references import blurred, frozen, reference_names, references
from frameweave.models.stable_diffusion import StableDiffusion


def test_freezing_and_blurring() -> None:
    frames = torch.zeros(2, 3, 64, 64)
    frames[0, :, 32, 32] = 1
    assert torch.equal(frozen(frames)[1], frames[0])
    soft = blurred(frames)
    assert float(soft[0].sum()) == pytest.approx(3, rel=1e-4)  # nothing is lost inside
    y = torch.arange(64) - 32
    spread = float((soft[0, 0].sum(1) * y**2).sum())
    assert spread == pytest.approx(2.0**2, rel=0.05)  # sigma is 64 / 32 pixels
    assert not soft[1].any()


def test_rows(tiny: StableDiffusion) -> None:
    item = world_items("test", 1, 2)[0]
    pair = pair_of(item, tiny)
    rows = references(pair, tiny)
    assert list(rows) == reference_names(item)
    assert torch.equal(rows["source unchanged"](), pair.source.frames)
    assert pair.truth is not None and torch.equal(rows["true edit"](), pair.truth.frames)
    assert rows["VAE round trip"]().shape == pair.source.frames.shape
    assert "true edit" not in reference_names(
        TableItem(name="a", video="a.mp4", prompt="a", frames=2, size=None)
    )
