"""Sound stays where it was beside the pictures, whenever the source's clock starts."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from frameweave.video import VideoWriter, read_frames
from videos import TICK, colour_ramp, sound_packets, write_video

_RATE = 48_000


def recorded(path: Path, *, pictures: float, sound: float, onset: float) -> Path:
    """16 frames at 8 fps from `pictures` seconds on, 2 s of sound from `sound` on: a tone after `onset` s."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=8)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        video.codec_context.time_base = TICK
        track = container.add_stream("aac", rate=_RATE, layout="mono")
        for index, pixels in enumerate(colour_ramp(16, (32, 32))):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round((pictures + index / 8) / TICK), TICK
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        ticks = np.arange(2 * _RATE)
        wave = np.where(ticks < onset * _RATE, 0, 0.5 * np.sin(ticks * 0.1)).astype(np.float32)
        for start in range(0, len(wave), 1024):
            frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = _RATE, round(sound * _RATE) + start
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return path


def tone_after_first_frame(path: Path) -> float:
    """Seconds from the first frame to the first loud sample, by the decoders' own times."""
    with av.open(str(path)) as container:
        first = next(container.decode(video=0))
        shown = float(first.pts * first.time_base)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.2)
            if len(loud):
                return float(frame.pts * frame.time_base) + loud[0] / frame.sample_rate - shown
    raise AssertionError(f"{path}: no tone")


def written(source: Path, target: Path) -> Path:
    """The source's frames and sound as an edit writes them."""
    with VideoWriter(target, size=(32, 32), fps=8, audio=source) as writer:
        for frame in read_frames(source):
            writer.write(frame.pixels, frame.time, frame.duration)
    return target


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize(
    ("name", "pictures", "sound"),
    [
        ("pictures later.mkv", 0.5, 0.0),
        ("sound later.mkv", 0.0, 0.25),
        ("an hour on the clock.ts", 3600.0, 3600.0),
        ("sound first.ts", 10.5, 10.0),
    ],
)
def test_the_tone_comes_as_long_after_the_first_frame(
    tmp_path: Path, name: str, pictures: float, sound: float, suffix: str
) -> None:
    source = recorded(tmp_path / name, pictures=pictures, sound=sound, onset=1.0)
    after = tone_after_first_frame(written(source, tmp_path / f"out{suffix}"))
    assert after == pytest.approx(sound + 1.0 - pictures, abs=0.03)  # of a packet's 0.02 s
    assert after == pytest.approx(tone_after_first_frame(source), abs=0.005)


def test_sound_from_before_the_first_frame_is_left_out(tmp_path: Path) -> None:
    source = recorded(tmp_path / "a.mkv", pictures=0.5, sound=0.0, onset=0.2)
    kept = sound_packets(written(source, tmp_path / "b.mkv"))
    everything = sound_packets(source)
    assert kept == everything[-len(kept) :]
    assert len(kept) * Fraction(1024, _RATE) == pytest.approx(1.5, abs=0.05)


def test_an_mkv_shows_its_first_picture_at_once(tmp_path: Path) -> None:
    """AAC begins with a packet before the first sound, by which all of the file would be shown later."""
    source = write_video(tmp_path / "a.mp4", colour_ramp(4, (16, 16)), fps=8, sound=1)
    with VideoWriter(tmp_path / "b.mkv", size=(16, 16), fps=8, audio=source) as writer:
        for frame in read_frames(source):
            writer.write(frame.pixels, frame.time, frame.duration)
    with av.open(str(tmp_path / "b.mkv")) as file:
        times = [packet.pts * packet.time_base for packet in file.demux(video=0) if packet.pts is not None]
    assert min(times) == 0
