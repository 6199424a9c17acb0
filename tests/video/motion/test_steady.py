"""Edits made steadier in latents: what is promised bit for bit, and what averaging gives."""

import pytest
import torch

from frameweave.video.motion.motion import Motion, motion_of
from frameweave.video.motion.steady import Steady


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def moving(frames: int, height: int = 24, width: int = 40) -> Motion:
    """A motion of arbitrary numbers, at a size that is not square; beyond the clip nothing is followed."""
    found = Motion.unknown(frames, 2, (height, width))
    weight = noise(*found.weight.shape).abs().clamp(max=1)
    for at, offset in enumerate(found.offsets):
        for frame in range(frames):
            weight[at, frame] *= 0 <= frame + offset < frames
    return Motion(found.offsets, noise(*found.flow.shape), weight)


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_what_is_not_edited_stays_bit_for_bit(kind: torch.dtype, strength: float) -> None:
    source = noise(5, 4, 24, 40).to(kind)
    assert torch.equal(Steady(strength).of(source, source.clone(), moving(5)), source)


def test_strength_0_and_one_frame_change_nothing() -> None:
    source, edited = noise(5, 4, 24, 40), noise(5, 4, 24, 40, seed=1)
    assert torch.equal(Steady(0.0).of(edited, source, moving(5)), edited)
    assert torch.equal(Steady().of(edited[:1], source[:1], moving(1)), edited[:1])


def test_strength_blends() -> None:
    source, edited, motion = noise(5, 4, 24, 40).double(), noise(5, 4, 24, 40, seed=1).double(), moving(5)
    whole, half = (Steady(share).of(edited, source, motion) for share in (1.0, 0.5))
    torch.testing.assert_close(whole, source + motion.averaged(edited - source))
    torch.testing.assert_close(half, (edited + whole) / 2)
    assert not torch.allclose(whole, edited)


def test_noise_of_a_still_clip_is_averaged() -> None:
    """Of variance v, over 2 k + 1 frames, v / (2 k + 1) is left."""
    motion = motion_of(torch.rand(1, 3, 48, 64).expand(9, -1, -1, -1), 4)
    source = noise(1, 4, 48, 64, seed=2).expand(9, -1, -1, -1)
    for radius in (1, 2, 4):
        steadier = Steady(radius=radius).of(source + noise(9, 4, 48, 64), source, motion)
        assert float((steadier - source)[4].var()) == pytest.approx(1 / (2 * radius + 1), rel=0.06)


def test_halves_at_a_cut_are_as_if_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.rand(1, 3, 32, 48, generator=generator).expand(4, -1, -1, -1) for _ in range(2))
    clip, source, edited = torch.cat([one, other]), noise(8, 4, 32, 48), noise(8, 4, 32, 48, seed=1)
    whole = Steady().of(edited, source, motion_of(clip, 2))
    halves = [
        Steady().of(edited[part], source[part], motion_of(clip[part], 2))
        for part in (slice(0, 4), slice(4, 8))
    ]
    assert torch.equal(whole, torch.cat(halves))


def test_fewer_frames_than_the_source_are_as_those_of_a_shorter_source() -> None:
    clip = torch.rand(1, 3, 24, 40).expand(6, -1, -1, -1)
    source, edited = noise(6, 4, 24, 40), noise(4, 4, 24, 40, seed=1)
    found = Steady().of(edited, source, motion_of(clip, 2))
    torch.testing.assert_close(found, Steady().of(edited, source[:4], motion_of(clip[:4], 2)))


def test_many_frames_are_averaged_as_in_one_go() -> None:
    """More frames than are averaged at once, against the formula frame by frame."""
    clip = torch.rand(1, 3, 16, 24).expand(37, -1, -1, -1)
    change = noise(37, 4, 16, 24).double()
    motion = motion_of(clip, 2)
    assert bool((motion.weight[1, 1:] == 1).all())  # nothing moves, all is followed
    found = Steady().of(change, torch.zeros_like(change), motion)
    for frame in (0, 15, 16, 17, 36):
        near = change[max(0, frame - 2) : frame + 3]
        torch.testing.assert_close(found[frame], near.mean(0), atol=1e-6, rtol=1e-6)


def test_a_narrower_motion_is_one_that_was_made_so() -> None:
    clip = torch.rand(5, 3, 24, 40)
    narrow, own = motion_of(clip, 3).within(1), motion_of(clip, 1)
    assert narrow.offsets == own.offsets == (-1, 1)
    assert torch.equal(narrow.flow, own.flow)
    assert torch.equal(narrow.weight, own.weight)
