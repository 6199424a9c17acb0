"""AlexNet with LPIPS heads: shapes, the scaling by hand, and against the package lpips where it imports."""

from pathlib import Path

import pytest
import torch

from frameweave.measuring.metrics.backbones.alexnet import AlexNetFeatures, AlexNetTrunk, alexnet_trunk
from frameweave.measuring.metrics.base import Case, Looked
from frameweave.measuring.metrics.lpips import lpips, lpips_metric, unit
from published import heads, lpips_package, random_alexnet


@pytest.fixture
def trunk(published_folder: Path) -> AlexNetTrunk:
    return alexnet_trunk(published_folder)


def test_five_stages_of_the_known_widths(trunk: AlexNetTrunk) -> None:
    stages = trunk.stages(torch.rand(2, 3, 64, 64))
    assert [tuple(stage.shape[1:]) for stage in stages] == [
        (64, 15, 15), (192, 7, 7), (384, 3, 3), (256, 3, 3), (256, 3, 3)
    ]  # fmt: skip
    assert all((stage >= 0).all() for stage in stages)
    assert [len(head) for head in trunk.heads] == [64, 192, 384, 256, 256]


def test_pixels_are_scaled_as_lpips_scales_them(trunk: AlexNetTrunk) -> None:
    frames = torch.rand(1, 3, 64, 64)
    red = (frames[:, 0] * 2 - 1 + 0.030) / 0.458
    green = (frames[:, 1] * 2 - 1 + 0.088) / 0.448
    blue = (frames[:, 2] * 2 - 1 + 0.188) / 0.450
    first = torch.relu(trunk.network.features[0](torch.stack([red, green, blue], 1)))
    assert torch.allclose(trunk.stages(frames)[0], first, atol=1e-5)


def test_equal_frames_have_no_distance_and_the_name_tells_the_weights(trunk: AlexNetTrunk) -> None:
    still = Looked(torch.rand(1, 3, 64, 64).expand(3, -1, -1, -1))
    metric = lpips_metric(trunk, "neighbours")
    assert metric.measure(Case(edited=still)) == pytest.approx(0, abs=1e-6)
    assert metric.title.startswith("LPIPS consecutive [alexnet-")


def test_the_same_as_the_package_lpips() -> None:
    theirs = lpips_package()
    network = AlexNetFeatures()
    network.load_state_dict(
        {f"features.{name.split('.', 1)[1]}": tensor for name, tensor in theirs.net.state_dict().items()}
    )
    ours = AlexNetTrunk(network.eval(), heads(theirs), "x")
    a, b = torch.rand(2, 4, 3, 80, 64, generator=torch.Generator().manual_seed(0))
    stages = [[unit(stage) for stage in ours.stages(frames)] for frames in (a, b)]
    with torch.no_grad():
        expected = theirs(a, b, normalize=True).flatten()
    assert torch.allclose(lpips(*stages, ours.weights), expected, rtol=1e-4)


def test_a_random_network_is_what_the_folder_holds(published_folder: Path, trunk: AlexNetTrunk) -> None:
    expected = random_alexnet()
    frames = torch.rand(1, 3, 64, 64)
    assert torch.equal(trunk.stages(frames)[4], AlexNetTrunk(expected, trunk.heads, "x").stages(frames)[4])
