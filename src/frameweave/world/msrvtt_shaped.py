"""The procedural world as a small MSR-VTT: real mp4 files in its layout, with its annotation files.

What people meet in the real one is there: twenty captions a clip, several clips cut from one video,
odd sizes and rates, missing sound, letterboxes, hard cuts, variable rates and turned pictures.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import staged, write_text
from frameweave.video.clip import Clip, as_frames
from frameweave.video.writing import H264
from frameweave.world.clips import write_with_sound
from frameweave.world.grammar import captions
from frameweave.world.options import MsrvttOptions
from frameweave.world.render import render_clip
from frameweave.world.scene import sample_scenes

_CAPTIONS = 20
_SIZES = ((320, 240), (240, 320), (64, 64), (128, 96))
_RATES = (8, 10, 15)
_SHARES = {"train": 0.65, "validate": 0.05}  # the rest is for tests, nearly as in the real one


@dataclass(frozen=True, kw_only=True)
class Shaped:
    """What one clip is like; a function of (seed, number)."""

    size: tuple[int, int]
    fps: int
    cut: bool
    """Two scenes, one after the other."""
    uneven: bool
    """Frames that last differently long."""
    rotation: int
    sound: bool
    """Turned clips have none."""
    category: int
    origin: int
    """Number of the video that it was cut from; clips of one lie in one split."""

    @classmethod
    def of(cls, seed: int, number: int) -> "Shaped":
        rng = np.random.default_rng((seed, number, 20))
        return cls(
            size=_SIZES[rng.integers(len(_SIZES))],
            fps=int(_RATES[rng.integers(len(_RATES))]),
            cut=bool(rng.random() < 0.15),
            uneven=bool(rng.random() < 0.15),
            rotation=(rotation := int(rng.choice([0, 0, 0, 0, 0, 0, 0, 90, 180, 270]))),
            sound=bool(rng.random() < 0.8) and not rotation,
            category=int(rng.integers(20)),
            origin=number // 2,
        )


def write_msrvtt_shaped(options: MsrvttOptions, *, progress: Progress = SILENT) -> dict[str, Path]:
    """Make `options.out` a folder like MSR-VTT's: TrainValVideo, TestVideo, annotations; returns it.

    Clip number n is a function of (seed, n). With `depth` the world's exact inverse depth lies beside
    each video as `<name>.depth.npy` (frames x height x width, float16), upright as the frames are shown.
    """
    folder, seed, frames = options.out, options.seed, options.frames
    splits = _splits(options.clips)
    parts: dict[str, list[int]] = {"TrainValVideo": [], "TestVideo": []}
    for number in progress.track(range(options.clips), "rendering clips"):
        place = "TestVideo" if splits[number] == "test" else "TrainValVideo"
        parts[place].append(number)
        _write_clip(folder / place, number, seed, frames, options.depth)
    for name, place in (("train_val", "TrainValVideo"), ("test", "TestVideo")):
        table = _annotations(parts[place], splits, seed, frames)
        write_text(folder / f"{name}_videodatainfo.json", json.dumps(table))
    return {"folder": folder}


def _splits(clips: int) -> list[str]:
    """Train, then validate, then test, in runs of whole origins."""
    train, validate = (2 * round(share * clips / 2) for share in _SHARES.values())
    names = ["train"] * train + ["validate"] * validate + ["test"] * clips
    return names[:clips]


def _write_clip(folder: Path, number: int, seed: int, frames: int, depth: bool) -> None:
    shaped = Shaped.of(seed, number)
    pictures, maps = _rendered(shaped, seed, number, frames)
    path = folder / f"video{number}.mp4"
    folder.mkdir(parents=True, exist_ok=True)
    clip = Clip(pictures, _times(shaped, frames, seed, number))
    if shaped.sound:
        write_with_sound(clip, path)
    else:
        _write(clip, path, shaped.rotation)
    if depth:
        with staged(path.with_suffix(".depth.npy")) as stage, stage.open("wb") as file:
            np.save(file, maps[:, 0].numpy().astype(np.float16))


def _rendered(
    shaped: Shaped, seed: int, number: int, frames: int
) -> tuple[Float[Tensor, "F 3 H W"], Float[Tensor, "F 1 H W"]]:
    """Frames as they are shown, and their inverse depth, fitted into the clip's size with black bars."""
    scenes = sample_scenes(2, seed=(seed, number), split="all")
    first = frames // 2 if shaped.cut else frames
    drawn = [render_clip(scenes[0], first)]
    if shaped.cut:
        drawn.append(render_clip(scenes[1], frames - first))
    pictures, depth = (torch.cat([getattr(part, name) for part in drawn]) for name in ("frames", "depth"))
    width, height = shaped.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    canvas, near = torch.zeros(frames, 3, height, width), torch.zeros(frames, 1, height, width)
    canvas[:, :, top : top + side, left : left + side] = _enlarged(pictures, side)
    low, high = depth.amin(), depth.amax()
    scaled = torch.nn.functional.interpolate((depth - low) / (high - low), (side, side))
    near[:, :, top : top + side, left : left + side] = scaled
    return canvas, near


def _enlarged(pictures: Float[Tensor, "F 3 h w"], side: int) -> Float[Tensor, "F 3 side side"]:
    """By Pillow in whole numbers: torch rounds otherwise on another number of threads."""
    frames = [
        np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))
        for pixels in Clip.of(pictures).pixels()
    ]
    return as_frames(np.stack(frames))


def _times(shaped: Shaped, frames: int, seed: int, number: int) -> tuple[Fraction, ...]:
    if not shaped.uneven:
        return tuple(Fraction(k, shaped.fps) for k in range(frames + 1))
    lasts = np.random.default_rng((seed, number, 21)).choice([1, 1, 2, 3], frames)
    return tuple(Fraction(int(k), 2 * shaped.fps) for k in np.concatenate([[0], np.cumsum(lasts)]))


def _write(clip: Clip, path: Path, rotation: int) -> None:
    """Without sound; stored turned, and marked to be turned back, where there is a rotation."""
    with staged(path) as stage, av.open(str(stage), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=H264)
        turned = [np.rot90(pixels, -rotation // 90) for pixels in clip.pixels()]
        stream.height, stream.width = turned[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 90_000)
        if rotation:
            stream.set_display_rotation(rotation)
        for pixels, time in zip(turned, clip.times, strict=False):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = round(time * 90_000), Fraction(1, 90_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _annotations(numbers: list[int], splits: list[str], seed: int, frames: int) -> dict[str, object]:
    """The official schema, with a space in two of its keys."""
    return {
        "info": {"contributor": "the Miniature's world", "data_created": "2026", "version": "1.0",
                 "description": "procedural clips in MSR-VTT's layout", "year": "2026"},
        "videos": [_video(number, splits[number], seed, frames) for number in numbers],
        "sentences": [sentence for number in numbers for sentence in _sentences(number, seed)],
    }  # fmt: skip


def _video(number: int, split: str, seed: int, frames: int) -> dict[str, object]:
    shaped = Shaped.of(seed, number)
    start = 12.5 * (number % 2)
    return {
        "id": number,
        "video_id": f"video{number}",
        "category": shaped.category,
        "url": f"https://www.youtube.com/watch?v=world{shaped.origin:06}",
        "start time": start,
        "end time": start + float(_times(shaped, frames, seed, number)[-1]),
        "split": split,
    }


def _sentences(number: int, seed: int) -> Iterator[dict[str, object]]:
    """Twenty paraphrases of what the clip shows; where there is a cut, of both scenes in turn."""
    scenes, shown = sample_scenes(2, seed=(seed, number), split="all"), 1 + Shaped.of(seed, number).cut
    for place in range(_CAPTIONS):
        text = captions(scenes[place % shown], (seed, number, 22, place))[0]
        yield {"sen_id": _CAPTIONS * number + place, "video_id": f"video{number}", "caption": text}
