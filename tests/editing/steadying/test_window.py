"""Frames made steadier: what is promised to the byte, and what averaging gives on known clips."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from frameweave.editing.steadying.beside import Both
from frameweave.editing.steadying.survey import surveyed
from frameweave.editing.steadying.window import Window
from frameweave.video import TimedPicture
from frameweave.video.motion.providers import FlowProvider, dis, none
from videos import blobs

Clip = NDArray[np.uint8]
INSIDE = np.zeros((32, 48, 1), np.float32)
INSIDE[:, 24:] = 1


def both(edited: Clip, source: Clip, inside: NDArray[np.float32] | None = None) -> list[Both]:
    times = (Fraction(number, 8) for number in range(len(edited)))
    return [
        Both(TimedPicture(edit, time, Fraction(1, 8)), frame, inside)
        for edit, frame, time in zip(edited, source, times, strict=True)
    ]


def steadied(
    edited: Clip,
    source: Clip,
    *,
    inside: NDArray[np.float32] | None = None,
    tint: bool = True,
    radius: int = 2,
    strength: float = 1.0,
    low_pass: float = 0.0,
    provider: FlowProvider = dis,
) -> Clip:
    frames = both(edited, source, inside)
    window = Window(
        survey=surveyed(frames, provider, tint=tint),
        provider=provider,
        radius=radius,
        strength=strength,
        low_pass=low_pass,
    )
    return np.stack([frame.pixels for frame in window.steadied(frames)])


def drawn(values: NDArray[np.floating]) -> Clip:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def quiet(frames: int, seed: int = 0) -> Clip:
    """Blobs that slide, of 80 to 170, so that nothing is clipped."""
    return drawn(80 + blobs(frames, seed) * (90 / 255))


def noisy(source: Clip, deviation: float, seed: int = 1) -> Clip:
    noise = np.random.default_rng(seed).normal(0, deviation, source.shape)
    return drawn(source + noise)


@pytest.mark.parametrize(
    "how", [{}, {"low_pass": 3.0}, {"tint": False}, {"inside": INSIDE}, {"strength": 0.4}]
)
def test_what_equals_its_source_stays(how: dict[str, object]) -> None:
    source = blobs(7)
    assert np.array_equal(steadied(source.copy(), source, **how), source)


def test_strength_0_is_the_edited_video_and_half_is_halfway() -> None:
    source = quiet(6)
    edited = noisy(source, 20)
    assert np.array_equal(steadied(edited, source, strength=0), edited)
    whole, half = steadied(edited, source), steadied(edited, source, strength=0.5)
    assert not np.array_equal(whole, edited)
    between = (edited.astype(float) + whole) / 2
    assert np.abs(half - between).max() <= 1


@pytest.mark.parametrize("frames", [1, 2])
def test_few_frames(frames: int) -> None:
    source = quiet(frames)
    edited = noisy(source, 20)
    found = steadied(edited, source)
    assert found.shape == edited.shape
    assert np.array_equal(found, edited) == (frames == 1)


def test_a_tint_that_comes_and_goes_is_gone() -> None:
    """Exactly: what is left is the mean tint, although the source moves and its light changes."""
    source = drawn(quiet(6) * np.linspace(1, 0.8, 6)[:, None, None, None])
    tints = np.array([[12, -6, 0], [0, 6, 3], [-12, 0, 9], [6, -3, -12], [-6, 0, -3], [0, 3, 3]])
    edited = (source + tints[:, None, None]).astype(np.uint8)
    assert np.array_equal(edited.astype(int) - source, np.broadcast_to(tints[:, None, None], source.shape))
    assert np.array_equal(steadied(edited, source), source)


def test_contrast_that_comes_and_goes_is_evened_out() -> None:
    source = quiet(8)
    gains = np.array([1, 1.15, 0.95, 1.1, 0.9, 1.05, 1, 1.1])[:, None, None, None]
    mean = source.mean((1, 2), keepdims=True)
    edited = drawn(mean + gains * (source - mean))
    spread = [np.std(clip.std((1, 2)).mean(1)) for clip in (edited, steadied(edited, source), source)]
    assert spread[1] < 0.15 * spread[0]


def test_an_object_that_comes_in_tints_nothing() -> None:
    """Its edit shifts the mean of frames, but no frame flickers."""
    source = np.repeat(quiet(1), 8, axis=0)
    edited = source.copy()
    for number in range(8):
        edited[number, :, : 4 * number] = (230, 20, 20)
    found = steadied(edited, source, provider=none)
    assert np.array_equal(found[:, :, 30:], source[:, :, 30:])


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_noise_of_a_still_clip_is_averaged(radius: int) -> None:
    """Of variance v, over 2 k + 1 frames, v / (2 k + 1) is left; and 1/12 of rounding to bytes."""
    source = np.repeat(quiet(1), 9, axis=0)
    edited = noisy(source, 20)
    left = (steadied(edited, source, radius=radius, tint=False)[4].astype(float) - source[4]).var()
    assert left == pytest.approx(400 / (2 * radius + 1) + 1 / 12, rel=0.08)


def test_moving_content_is_followed() -> None:
    """A texture that slides by a pixel a frame: an edit that slides along stays sharp, noise on it goes."""
    source = quiet(9)
    edit = drawn(255 - source.astype(float))
    found = steadied(noisy(edit, 12), source)
    inner = np.s_[2:-2, 4:-4, 6:-6]
    before = (noisy(edit, 12)[inner].astype(float) - edit[inner]).var()
    after = (found[inner].astype(float) - edit[inner]).var()
    assert after < 0.35 * before
    assert np.abs(steadied(edit, source)[inner].astype(float) - edit[inner]).mean() < 2


def test_texture_passes_a_low_pass_and_blobs_do_not() -> None:
    source = np.repeat(quiet(1), 7, axis=0)
    texture = np.random.default_rng(2).choice([-15, 15], (7, 32, 48, 1))
    rough = np.random.default_rng(3).normal(0, 12, (7, 1, 1, 3))
    edited = drawn(source + texture + rough)
    found = steadied(edited, source, low_pass=4.0, tint=False).astype(float) - source
    high = found - found.mean((1, 2), keepdims=True)
    assert high.std() == pytest.approx(15, rel=0.15)
    assert found.mean((1, 2)).std(0).max() < 0.6 * (edited.astype(float) - source).mean((1, 2)).std(0).max()


def cut_clip() -> tuple[Clip, Clip]:
    source = np.concatenate([quiet(5), 255 - quiet(6, seed=3)[:, ::-1, ::-1]])
    return noisy(source, 15), source


@pytest.mark.parametrize("low_pass", [0.0, 2.0])
def test_halves_at_a_cut_are_as_if_alone(low_pass: float) -> None:
    edited, source = cut_clip()
    halves = [steadied(edited[part], source[part], low_pass=low_pass) for part in (np.s_[:5], np.s_[5:])]
    assert np.array_equal(steadied(edited, source, low_pass=low_pass), np.concatenate(halves))
    assert surveyed(both(edited, source), dis, tint=True).shots == (0,) * 5 + (1,) * 6


def test_outside_of_the_mask_is_the_source_and_nothing_of_it_comes_in() -> None:
    """Also where the edited video shows something else there, in every frame another."""
    source = quiet(7)
    edited = noisy(source, 20)
    wild = edited.copy()
    wild[:, :, :24] = np.random.default_rng(5).integers(0, 255, wild[:, :, :24].shape)
    found = steadied(wild, source, inside=INSIDE, provider=none)
    assert np.array_equal(found[:, :, :24], source[:, :, :24])
    alone = steadied(edited, source, inside=INSIDE, provider=none)
    assert np.array_equal(found[:, :, 26:], alone[:, :, 26:])
    assert not np.array_equal(found[:, :, 26:], edited[:, :, 26:])


def test_what_is_outside_of_the_mask_passes_no_low_pass() -> None:
    source = quiet(7)
    edited = source.copy()
    edited[::2, :, :24] = np.clip(edited[::2, :, :24].astype(int) + 60, 0, 255)
    edited[1::2, :, :24] = np.clip(edited[1::2, :, :24].astype(int) - 60, 0, 255)
    found = steadied(edited, source, inside=INSIDE, low_pass=4.0, tint=False)
    assert np.array_equal(found, source)


def test_frames_come_when_those_after_them_are_read() -> None:
    """So memory does not grow with the clip."""
    source = quiet(12)
    frames = both(noisy(source, 5), source)
    read: list[int] = []

    def reading() -> Sequence[Both]:
        for number, frame in enumerate(frames):
            read.append(number)
            yield frame

    window = Window(survey=surveyed(frames, dis, tint=True), provider=dis, radius=2, strength=1.0)
    ahead = [len(read) - number - 1 for number, _ in enumerate(window.steadied(reading()))]
    assert ahead == [2] * 10 + [1, 0]
    told = window.measuring.figures()
    assert told.temporal_error_after < told.temporal_error_before
