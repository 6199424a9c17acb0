"""Inception of FID: size, parts, pooling by hand, and against torch-fidelity where it imports."""

import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F

from frameweave.measuring.metrics.backbones.inception import Inception, InceptionFeatures, Mixed, inception
from published import fidelity_inception, random_inception


def test_as_many_weights_as_the_published_network() -> None:
    network = InceptionFeatures()
    # torchvision's inception_v3 has 21,785,568 up to its last pool, and 94 convolutions
    assert sum(weight.numel() for weight in network.parameters()) == 21_785_568
    assert sum(isinstance(module, torch.nn.Conv2d) for module in network.modules()) == 94
    names = dict(network.named_parameters())
    for name in ("Mixed_5b.branch5x5_2.conv", "Mixed_6e.branch7x7dbl_5.conv", "Mixed_7c.branch3x3dbl_3b.bn"):
        assert f"{name}.weight" in names


def test_pools_leave_the_padding_out_and_the_last_takes_the_maximum() -> None:
    x = torch.rand(1, 4, 5, 5)
    for by in ("mean", "max"):
        block = Mixed(4, (("one", 2, 1),), pool=None, pool_by=by).eval()  # pyright: ignore
        pooled = block(x)[:, 2:]
        corner = x[:, :, :2, :2]
        expected = corner.mean((2, 3)) if by == "mean" else corner.amax((2, 3))
        assert torch.allclose(pooled[:, :, 0, 0], expected)


def test_the_sizes_between_the_blocks() -> None:
    network, seen = random_inception(), dict[str, tuple[int, ...]]()
    for name, block in network.named_children():
        block.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: tuple(out.shape[1:])}))
    network(torch.zeros(1, 3, 299, 299))
    assert seen["Conv2d_2b_3x3"] == (64, 147, 147) and seen["Conv2d_4a_3x3"] == (192, 71, 71)
    assert seen["Mixed_5d"] == (288, 35, 35) and seen["Mixed_6e"] == (768, 17, 17)
    assert seen["Mixed_7a"] == (1280, 8, 8) and seen["Mixed_7c"] == (2048, 8, 8)


def test_frames_of_any_size_in_any_batch(published_folder: Path) -> None:
    encoder = inception(published_folder)
    frames = torch.rand(2, 3, 40, 56)
    found = encoder.features(frames)
    alone = encoder.features(F.interpolate(frames[1:], (299, 299), mode="bilinear", align_corners=False))
    assert found.shape == (2, 2048) and torch.allclose(found[1:], alone, atol=1e-5)
    assert encoder.id.startswith("inception-2015-")


def test_the_same_as_torch_fidelity() -> None:
    network = random_inception()
    with tempfile.TemporaryDirectory() as folder:
        theirs = fidelity_inception(network, Path(folder))
    pixels = torch.randint(0, 256, (2, 3, 299, 299), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        (expected,) = theirs(pixels.byte())
    ours = Inception(network, "x").features(pixels / 256)  # theirs takes (pixel - 128) / 128
    assert torch.allclose(ours, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_it_tells_pictures_apart(published_folder: Path) -> None:
    encoder = inception(published_folder)
    a, b = encoder.features(torch.rand(2, 3, 64, 64))
    assert not torch.allclose(a, b, atol=1e-4)
