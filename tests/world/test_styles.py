"""Each style does what its name says, on pictures where that can be computed by hand."""

import torch

from frameweave.world.scene import ATTRIBUTES
from frameweave.world.styles import cartoon, night, pencil_sketch, pixel_art, stylised


def square() -> tuple[torch.Tensor, torch.Tensor]:
    """A red square on white."""
    alpha = torch.zeros(1, 1, 64, 64)
    alpha[..., 20:40, 20:40] = 1
    frames = torch.ones(1, 3, 64, 64)
    frames[:, 1:] -= 0.8 * alpha
    return frames, alpha


def test_pixel_art_has_blocks() -> None:
    frames = torch.rand(1, 3, 64, 64)
    blocks = pixel_art(frames, torch.zeros(1, 1, 64, 64)).unfold(2, 4, 4).unfold(3, 4, 4)
    assert float((blocks.amax((-1, -2)) - blocks.amin((-1, -2))).max()) == 0


def test_cartoon_has_a_black_outline_two_pixels_wide() -> None:
    drawn = cartoon(*square())[0].mean(0)
    assert (drawn[30, 18:20] < 0.1).all()
    assert drawn[30, 17] > 0.9
    assert drawn[30, 20] > 0.3


def test_night_is_darker_and_bluer() -> None:
    frames, alpha = square()
    dark = night(frames, alpha)
    assert float(dark.mean()) < 0.6 * float(frames.mean())
    white = dark[0, :, 0, 0]
    assert white[2] > white[0]


def test_pencil_is_pale_with_a_grey_contour() -> None:
    frames, alpha = square()
    drawn = pencil_sketch(frames, alpha)
    assert float(drawn[0, 1, 30, 30]) > float(frames[0, 1, 30, 30])
    assert float(drawn[0, :, 30, 20].mean()) < float(drawn[0, :, 30, 30].mean())


def test_every_frame_gets_its_own_style() -> None:
    frames, alpha = (x.expand(len(ATTRIBUTES["style"]), -1, -1, -1) for x in square())
    mixed = stylised(frames, alpha, torch.arange(len(ATTRIBUTES["style"])))
    assert torch.equal(mixed[0], frames[0])
    for index in range(1, len(ATTRIBUTES["style"])):
        alone = stylised(frames[:1], alpha[:1], torch.tensor([index]))
        assert torch.equal(mixed[index : index + 1], alone)
        assert not torch.equal(mixed[index], frames[0])
