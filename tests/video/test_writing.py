"""Writing: what is read back, the sound, and what is left behind when something fails."""

import errno
import os
import resource
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from frameweave.errors import InputError
from frameweave.video import VideoWriter, probe, read_frames
from frameweave.video.along import Along
from frameweave.video.clip import Clip
from frameweave.video.writing import check_quality, lost_in
from videos import colour_ramp, sound_packets, write_video


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".gif"])
def test_frames_and_rate_come_back(tmp_path: Path, suffix: str) -> None:
    frames = torch.from_numpy(colour_ramp(6, (48, 32))).permute(0, 3, 1, 2) / 255
    path = tmp_path / f"a{suffix}"
    Clip.of(frames, fps=10).write(path)
    back = Clip.read(path)
    assert len(back) == 6
    assert back.size == (48, 32)
    assert float((back.frames - frames).abs().mean()) < 0.03
    assert float(back.fps) == pytest.approx(10, rel=0.01)


def test_uneven_times_come_back(tmp_path: Path) -> None:
    times = tuple(Fraction(t, 90) for t in (0, 3, 9, 60, 66))
    clip = Clip(torch.zeros(4, 3, 16, 16), times)
    clip.write(tmp_path / "a.mp4")
    assert Clip.read(tmp_path / "a.mp4").times == times


def test_uneven_times_of_a_gif_come_back(tmp_path: Path) -> None:
    times = tuple(Fraction(t, 100) for t in (0, 10, 20, 30, 80, 90, 100))
    Clip(torch.rand(6, 3, 16, 16), times).write(tmp_path / "a.gif")
    assert Clip.read(tmp_path / "a.gif").times == times


def test_a_gif_has_one_frame_in_a_hundredth_of_a_second(tmp_path: Path) -> None:
    Clip.of(torch.rand(8, 3, 16, 16), fps=250).write(tmp_path / "a.gif")
    assert Clip.read(tmp_path / "a.gif").times[:-1] == tuple(Fraction(t, 100) for t in range(4))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".gif"])
def test_the_shape_of_pixels_comes_back(tmp_path: Path, suffix: str) -> None:
    shape = Fraction(4, 3)
    source = write_video(tmp_path / "a.mp4", colour_ramp(3, (32, 32)), pixel_shape=shape)
    Clip.read(source).write(tmp_path / f"b{suffix}")
    found = probe(tmp_path / f"b{suffix}").pixel_shape
    assert found == (shape if suffix != ".gif" else Fraction(85, 64))  # gifs count it in 64ths
    with av.open(str(tmp_path / f"b{suffix}")) as container:
        assert container.streams.video[0].sample_aspect_ratio == found
    assert Clip.read(source, size=(16, 32)).pixel_shape == 1


@pytest.mark.parametrize("size", [(33, 16), (16, 33), (1, 1), (2, 2), (7, 5)])
def test_odd_sizes_are_kept(tmp_path: Path, size: tuple[int, int]) -> None:
    Clip.of(torch.rand(3, 3, size[1], size[0])).write(tmp_path / "a.mp4")
    assert Clip.read(tmp_path / "a.mp4").size == size


def test_sound_is_copied_bit_by_bit(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", colour_ramp(16, (32, 32)), fps=8, sound=2)
    clip = Clip.read(source)
    clip.write(tmp_path / "b.mp4")
    assert sound_packets(tmp_path / "b.mp4") == sound_packets(source) != []


def test_sound_ends_with_a_shorter_clip(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", colour_ramp(16, (32, 32)), fps=8, sound=2)
    Clip.read(source, frames=8).write(tmp_path / "b.mp4")
    all_packets, kept = sound_packets(source), sound_packets(tmp_path / "b.mp4")
    assert kept == all_packets[: len(kept)]
    assert len(kept) == pytest.approx(len(all_packets) / 2, abs=3)


def test_sound_is_encoded_anew_where_the_format_asks_for_it(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", colour_ramp(16, (32, 32)), fps=8, sound=2)
    Clip.read(source).write(tmp_path / "b.webm")
    assert probe(tmp_path / "b.webm").has_audio


def test_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .xyz"):
        VideoWriter(tmp_path / "a.xyz", size=(8, 8), fps=8)


def test_nothing_is_left_when_the_block_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    target.write_bytes(b"earlier")
    with pytest.raises(KeyboardInterrupt), VideoWriter(target, size=(16, 16), fps=8) as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8), Fraction(0), Fraction(1, 8))
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert target.read_bytes() == b"earlier"


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.mp4"
    target.write_bytes(b"earlier")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("frameweave.runs.atomic.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        Clip.of(torch.zeros(2, 3, 16, 16)).write(target)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert target.read_bytes() == b"earlier"


def test_a_disk_that_fills_while_it_is_encoded(tmp_path: Path) -> None:
    """The error is libav's own, which keeps the name that it came with."""
    noise = torch.rand(24, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            Clip.of(noise).write(tmp_path / "a.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_pixels_survive_a_lossless_trip_through_the_value(tmp_path: Path) -> None:
    frames = colour_ramp(2, (8, 8))
    clip = Clip.of(torch.from_numpy(frames).permute(0, 3, 1, 2) / 255)
    assert np.array_equal(np.stack(list(clip.pixels())), frames)


def test_frames_of_another_count_are_refused() -> None:
    with pytest.raises(InputError, match="3 frames for a clip of 2"):
        Clip.of(torch.zeros(2, 3, 8, 8)).with_frames(torch.zeros(3, 3, 8, 8))


def test_streaming_reads_what_was_streamed(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", size=(32, 32), fps=8) as writer:
        for index, pixels in enumerate(colour_ramp(5, (32, 32))):
            writer.write(pixels, Fraction(index, 8), Fraction(1, 8))
    assert len(list(read_frames(tmp_path / "a.mp4"))) == 5


@pytest.mark.parametrize("block", [8, 64])
def test_the_same_frames_are_the_same_bytes(block: int, tmp_path: Path) -> None:
    """Pictures of few colours, on which the encoder's threads differ when they weigh the future."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 255, (24, 8, 8, 3), dtype=np.uint8).repeat(block, 1).repeat(block, 2)
    clip = Clip.of(torch.from_numpy(blocks).permute(0, 3, 1, 2).float() / 255, fps=8)
    files: set[bytes] = set()
    for _ in range(25 if block == 8 else 8):
        clip.write(tmp_path / "a.mp4")
        files.add((tmp_path / "a.mp4").read_bytes())
    if block > 8:  # and on a machine of one core
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cores)})
        try:
            clip.write(tmp_path / "a.mp4")
        finally:
            os.sched_setaffinity(0, cores)
        files.add((tmp_path / "a.mp4").read_bytes())
    assert len(files) == 1


def test_quality_is_chosen(tmp_path: Path) -> None:
    clip = Clip.of(torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)), fps=8)
    sizes: list[int] = []
    errors: list[float] = []
    for crf in (0, None, 30, 51):
        clip.write(tmp_path / "a.mp4", crf=crf)
        sizes.append((tmp_path / "a.mp4").stat().st_size)
        errors.append(float((Clip.read(tmp_path / "a.mp4").frames - clip.frames).square().mean()))
    assert sizes == sorted(sizes, reverse=True) and errors == sorted(errors)
    check_quality(30, ".webm")
    with pytest.raises(InputError, match="crf with a .gif"):
        check_quality(30, ".gif")


def test_frames_that_a_gif_cannot_tell_apart_are_told(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", colour_ramp(2, (8, 8)))
    given = (Along(video, sound=False), (8, 8), Fraction(1))
    assert lost_in(".gif", *given, 240) == ("240 frames per second: a gif shows 100 of them",)
    assert lost_in(".gif", *given, 100) == lost_in(".mp4", *given, 240) == ()
