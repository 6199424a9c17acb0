"""SDXL's training sizes, as its paper lists them."""

import pytest

from frameweave.editing.footage import Fit
from frameweave.models.buckets import bucket, longer_side
from frameweave.models.stable_diffusion import StableDiffusion

PUBLISHED = {
    (512, 2048), (512, 1984), (512, 1920), (512, 1856), (576, 1792), (576, 1728), (576, 1664), (640, 1600),
    (640, 1536), (704, 1472), (704, 1408), (704, 1344), (768, 1344), (768, 1280), (832, 1216), (832, 1152),
    (896, 1152), (896, 1088), (960, 1088), (960, 1024), (1024, 1024),
}  # fmt: skip


@pytest.mark.parametrize("width", range(100, 4000, 37))
def test_every_bucket_is_a_published_one(width: int) -> None:
    wide = bucket((width, 720), 1024, 64)
    assert tuple(sorted(wide)) in PUBLISHED
    assert bucket((720, width), 1024, 64) == wide[::-1]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), (1344, 768)),
        ((1080, 1920), (768, 1344)),
        ((640, 480), (1152, 896)),
        ((512, 512), (1024, 1024)),
        ((2048, 858), (1536, 640)),
        ((1, 1), (1024, 1024)),
        ((8000, 10), (2048, 512)),
    ],
)
def test_the_nearest_shape_is_taken_and_frames_fit_into_it(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert bucket(size, 1024, 64) == expected
    fit = Fit.of(size, longer_side(size, 1024, 64), 64)
    assert all(scaled <= most for scaled, most in zip(fit.scaled, expected, strict=True))
    assert all(padded <= most for padded, most in zip(fit.padded, expected, strict=True))
    if max(size) < 4 * min(size):
        assert fit.padded == expected


def test_only_sdxl_works_at_one_area(tiny: StableDiffusion, tiny_xl: StableDiffusion) -> None:
    assert Fit.for_model(tiny, (64, 32), None) == Fit.of((64, 32), 32, 4)
    assert Fit.for_model(tiny_xl, (64, 32), None).padded == (80, 40)
    assert Fit.for_model(tiny_xl, (64, 64), None).padded == (64, 64)
    for model in (tiny, tiny_xl):
        assert Fit.for_model(model, (64, 32), 48) == Fit.of((64, 32), 48, model.multiple)


@pytest.mark.parametrize(("native", "multiple"), [(8, 64), (32, 64), (100, 16), (1, 1)])
def test_of_odd_models_there_is_a_bucket_too(native: int, multiple: int) -> None:
    for size in ((1, 1), (300, 7), (7, 300)):
        assert all(side >= multiple and side % multiple == 0 for side in bucket(size, native, multiple))
        assert longer_side(size, native, multiple) >= 1
