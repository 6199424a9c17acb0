"""Makes video files of many kinds for the tests, with PyAV directly."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

TICK = Fraction(1, 90_000)


def colour_ramp(frames: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Frames of one colour each: frames x height x width x 3."""
    width, height = size
    values = np.array(
        [(20 + 25 * i % 200, 200 - 20 * i % 180, 60 + 10 * i % 150) for i in range(frames)], np.uint8
    )
    return np.broadcast_to(values.reshape(-1, 1, 1, 3), (frames, height, width, 3)).copy()


def blobs(frames: int, seed: int = 0) -> NDArray[np.uint8]:
    """Soft blobs that slide by a pixel a frame."""
    rough = np.random.default_rng(seed).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    still = np.asarray(Image.fromarray(rough).resize((48, 32), Image.Resampling.BICUBIC))
    return np.stack([np.roll(still, index, axis=1) for index in range(frames)])


def write_video(
    path: Path,
    frames: NDArray[np.uint8],
    *,
    fps: int = 8,
    times: Sequence[Fraction] | None = None,
    rotation: int = 0,
    pixel_format: str = "yuv420p",
    codec: str = "libx264",
    sound: float = 0,
    faststart: bool = False,
    pixel_shape: Fraction | None = None,
) -> Path:
    """Write the frames at fps or at the given times; `sound` seconds of a tone."""
    starts = times or [Fraction(index, fps) for index in range(len(frames))]
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        video = None
        if len(frames):
            video = container.add_stream(codec, rate=fps)
            video.height, video.width = frames.shape[1:3]
            video.pix_fmt = pixel_format
            video.codec_context.time_base = TICK
            if pixel_shape is not None:
                video.codec_context.sample_aspect_ratio = pixel_shape
            if rotation:
                video.set_display_rotation(rotation)
        tone = container.add_stream("aac", rate=48_000, layout="mono") if sound else None
        if video is not None:
            for pixels, time in zip(frames, starts, strict=True):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = round(time / TICK), TICK
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        if tone is not None:
            wave = 0.3 * np.sin(np.arange(int(48_000 * sound)) * 0.05).astype(np.float32)
            for start in range(0, len(wave), 1024):
                frame = av.AudioFrame.from_ndarray(
                    wave[None, start : start + 1024], format="fltp", layout="mono"
                )
                frame.sample_rate, frame.pts = 48_000, start
                container.mux(tone.encode(frame))
            container.mux(tone.encode(None))
    return path


def enormous_gif(path: Path, *, side: int) -> Path:
    """A tiny gif whose header claims side x side pixels."""
    Image.new("RGB", (8, 8)).save(path, save_all=True, append_images=[Image.new("RGB", (8, 8), "red")])
    data = bytearray(path.read_bytes())
    data[6:10] = side.to_bytes(2, "little") * 2
    path.write_bytes(data)
    return path


def sound_packets(path: Path) -> list[bytes]:
    """The payload of every sound packet."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return []
        return [bytes(p) for p in container.demux(container.streams.audio[0]) if p.size]
