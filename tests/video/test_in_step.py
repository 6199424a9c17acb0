"""A second video beside a clip: by number at one rate, by time at another."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from frameweave.errors import InputError
from frameweave.video.clip import Clip
from frameweave.video.in_step import read_in_step
from videos import write_video


def counting(folder: Path, name: str, frames: int, fps: int, step: float) -> Path:
    """A video whose k-th frame has the grey level k * step."""
    levels = torch.arange(frames)[:, None, None, None] * step
    Clip.of(levels.expand(-1, 3, 32, 32), fps=fps).write(folder / name)
    return folder / name


def levels_of(clip: Clip) -> list[float]:
    return clip.frames.mean((1, 2, 3)).tolist()


def test_the_frames_that_are_shown_at_the_same_times(tmp_path: Path) -> None:
    fast = counting(tmp_path, "fast.mp4", 24, 24, 1 / 32)
    slow = counting(tmp_path, "slow.mp4", 8, 8, 3 / 32)
    edited = Clip.read(slow)
    assert levels_of(read_in_step(fast, edited, slow)) == pytest.approx(levels_of(edited), abs=0.01)
    back = read_in_step(slow, Clip.read(fast), fast)
    assert levels_of(back) == pytest.approx([3 * (k // 3) / 32 for k in range(24)], abs=0.01)
    few = read_in_step(fast, Clip.read(slow, frames=3), slow, frames=3)
    assert levels_of(few) == pytest.approx([0, 3 / 32, 6 / 32], abs=0.01)


def test_one_rate_and_folders_go_by_number(tmp_path: Path) -> None:
    first = counting(tmp_path, "first.mp4", 6, 10, 0.1)
    longer = counting(tmp_path, "longer.mp4", 9, 10, 0.1)
    assert len(read_in_step(longer, Clip.read(first), first)) == 9  # whoever asks compares the lengths
    assert len(read_in_step(longer, Clip.read(first), first, frames=4)) == 4
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(6):
        Image.new("L", (32, 32), 10 * number).save(folder / f"{number}.png")
    assert len(read_in_step(folder, Clip.read(first), first)) == 6


def test_a_video_that_ends_before(tmp_path: Path) -> None:
    short = counting(tmp_path, "short.mp4", 12, 24, 0.01)
    slow = counting(tmp_path, "slow.mp4", 8, 8, 0.01)
    with pytest.raises(InputError, match=r"short\.mp4 lasts 0\.50 s at 24 .*slow\.mp4 1\.00 s at 8"):
        read_in_step(short, Clip.read(slow), slow)


def test_a_beginning_whose_frames_are_close_together(tmp_path: Path) -> None:
    """By its average rate the first frames of a variable one would end too early."""
    times = [Fraction(k, 60) for k in range(10)] + [Fraction(1, 6) + Fraction(k, 6) for k in range(10)]
    pixels = np.stack([np.full((32, 32, 3), 12 * k, np.uint8) for k in range(20)])
    source = write_video(tmp_path / "vfr.mp4", pixels, times=times)
    edited = counting(tmp_path, "edited.mp4", 9, 5, 0.01)
    whole = read_in_step(source, Clip.read(edited), edited)
    few = read_in_step(source, Clip.read(edited, frames=4), edited, frames=4)
    assert levels_of(few) == pytest.approx(levels_of(whole)[:4], abs=0.01)
