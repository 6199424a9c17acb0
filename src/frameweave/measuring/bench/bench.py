"""Speed and memory as ratios: each figure and its floor are measured in turns within one run."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from statistics import median

import av
import numpy as np
import torch
from pydantic import JsonValue

from frameweave.editors import registry, running
from frameweave.measuring.bench.data import data_rows
from frameweave.measuring.bench.length import length_rows
from frameweave.measuring.bench.metrics import metrics_row
from frameweave.measuring.bench.paired import Row, paired, row, seconds
from frameweave.measuring.bench.training import adaptor_row, training_rows
from frameweave.measuring.options import BenchOptions, BenchPart
from frameweave.models.control.asked import DEPTH
from frameweave.models.loading.load import load
from frameweave.models.memory import peak_bytes
from frameweave.models.seam import Guides
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Progress
from frameweave.video import VideoWriter, read_frames
from frameweave.video.clip import Clip
from frameweave.world.render import render_clip
from frameweave.world.scene import sample_scenes

_STEPS, _FRAMES = 25, 16


def bench(options: BenchOptions, *, progress: Progress = SILENT) -> Iterator[Row]:
    """Yield one row per figure: what, the measured ratio or value, and its bar.

    Raises `InputError` for editors that there are not, and for settings that none of them has.
    """
    names = options.editors or registry.names()
    settings = registry.asked_of_each(names, options.set)
    for name in names:
        registry.make(name, settings[name])
    return _rows(options, settings, progress)


def _rows(
    options: BenchOptions, settings: Mapping[str, Mapping[str, JsonValue]], progress: Progress
) -> Iterator[Row]:
    quick, repeats = options.quick, 1 if options.quick else 3
    model = cache(lambda: load(device="cpu"))
    parts: dict[BenchPart, Callable[[], Iterator[Row]]] = {
        "start": lambda: iter([_import_time()]),
        "world": lambda: iter([_world_speed()]),
        "editing": lambda: (_editing(model(), name, own, repeats) for name, own in settings.items()),
        "length": lambda: length_rows(list(settings), quick=quick, progress=progress),
        "training": lambda: training_rows(3 if quick else 15),
        "adaptor": lambda: iter([adaptor_row(repeats, frames=4 if quick else _FRAMES, steps=50)]),
        "metrics": lambda: iter([metrics_row(model(), repeats, frames=_FRAMES, steps=_STEPS)]),
        "data": lambda: data_rows(quick=quick, progress=progress),
        "video": lambda: _video_rows(2 if quick else 10, repeats),
    }
    for part, rows in parts.items():
        if part in (options.parts or parts):
            progress.note(f"measuring {part}")
            yield from rows()


def _video_rows(length: int, repeats: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        yield _video_speed(Path(folder), length, repeats)
        yield _video_memory(Path(folder), length)


def _import_time() -> Row:
    """`import frameweave` beside a bare interpreter."""
    command = [sys.executable, "-c"]
    runs = [
        seconds(lambda: subprocess.run([*command, "import frameweave"], check=True))
        - seconds(lambda: subprocess.run([*command, "pass"], check=True))
        for _ in range(7)
    ]
    return row("import frameweave, seconds", median(runs), "< 0.1")


def _world_speed() -> Row:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    scenes = sample_scenes(32, seed=0)
    render_clip(scenes[:2], 16)
    took = seconds(lambda: render_clip(scenes, 16))
    torch.set_num_threads(threads)
    return row("world, frames per second on one core", 512 / took, "> 300")


def _editing(model: StableDiffusion, name: str, settings: Mapping[str, object], repeats: int) -> Row:
    """An edit over the bare batched network calls that it needs."""
    clip = Clip.of(render_clip(sample_scenes(1, seed=1), _FRAMES).frames)
    editor = registry.make(name, {"steps": _STEPS, **settings})
    depth = torch.rand(_FRAMES, 1, 64, 64) if editor.needs_depth else None
    x = model.encode(clip.frames)
    near = {} if depth is None else {DEPTH: depth[:1]}
    conditioning = model.conditioning(["a red duck in the snow"], Guides(maps=near))

    def edit() -> None:
        running.edit_clip(
            editor,
            clip,
            "a red duck in the snow",
            model,
            source_prompt="a blue duck in the snow",
            depth=depth,
            rng=torch.Generator().manual_seed(0),
        )

    calls = (None if settings else frame_forwards(name, _FRAMES)) or _counted(model, edit)

    @torch.no_grad()
    def forwards() -> None:
        for t in model.schedule.timesteps(_STEPS):
            for count in calls:
                model.predict(x[:1].expand(count, -1, -1, -1), t, conditioning.of([0] * count))

    total = sum(calls) * _STEPS
    return row(
        f"{name}: edit over its {total} bare frame-forwards", paired(edit, forwards, repeats), "<= 1.10"
    )


def _counted(model: StableDiffusion, edit: Callable[[], None]) -> list[int]:
    """The same of an editor from another package: the mean per step of what it sends through the UNet."""
    batches: list[int] = []
    hook = model.unet.register_forward_pre_hook(lambda _module, args: batches.append(len(args[0])))
    try:
        edit()
    finally:
        hook.remove()
    return [max(1, round(sum(batches) / _STEPS))]


def frame_forwards(name: str, frames: int) -> list[int]:
    """How many frames go through the UNet in each kind of call at one timestep (a mean over all).

    Nothing for an editor from another package.

    Inversion is one branch, an edit two, plug-and-play three (source, uncond, cond). TokenFlow has
    its key frames besides; VidToMe's chunks come one after the other, as it cuts them on average:
    2, 4 .. 4, 2 frames. Groups of shuffled have up to 9. vid2vid-zero's null text takes five: the
    source's branch, the null branch forward and backward (which counts two), and the null branch again
    with its new text; its edit has source and target in both branches while the source's attention is
    taken, and two afterwards. FLATTEN's source goes through in a call of its own, in four steps of five.
    Of delta's steps a fifth is not taken; each other one has a call for the source and one for the edit.
    """
    keys = -(-frames // 8)
    return {
        "delta": [round(0.8 * frames), round(1.6 * frames)],
        "flatten": [frames, 4 * frames // 5, 2 * frames],
        "framewise": [frames, 2 * frames],
        "text2video_zero": [2 * frames],
        "shuffled": [frames, *[2 * len(part) for part in np.array_split(range(frames), -(-frames // 9))]],
        "tokenflow": [frames, 3 * keys, 3 * frames],
        "vidtome": [frames, 3 * 2, *[3 * 4] * ((frames - 4) // 4), 3 * 2],
        "vid2vid_zero": [frames, 5 * frames, 4 * frames],
    }.get(name, [])


def _source(path: Path, seconds: int) -> Path:
    rng = np.random.default_rng(0)
    still = rng.integers(0, 255, (72, 128, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
    with VideoWriter(path, size=(1280, 720), fps=25) as writer:
        for index in range(25 * seconds):
            writer.write(np.roll(still, 4 * index, axis=1), Fraction(index, 25), Fraction(1, 25))
    return path


def _copy(source: Path, target: Path) -> None:
    with VideoWriter(target, size=(1280, 720), fps=25) as writer:
        for frame in read_frames(source):
            writer.write(frame.pixels, frame.time, frame.duration)


def _copy_by_hand(source: Path, target: Path) -> None:
    """The same work as a plain PyAV loop."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        stream = writer.add_stream("libx264", rate=25, options={"crf": "16", "preset": "medium"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        reader.streams.video[0].thread_type = "AUTO"
        for frame in reader.decode(video=0):
            picture = av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")
            picture.pts, picture.time_base = frame.pts, frame.time_base
            writer.mux(stream.encode(picture))
        writer.mux(stream.encode(None))


def _video_speed(folder: Path, seconds: int, repeats: int) -> Row:
    source = _source(folder / "source.mp4", seconds)
    ratio = paired(
        lambda: _copy(source, folder / "ours.mp4"),
        lambda: _copy_by_hand(source, folder / "hand.mp4"),
        repeats,
    )
    return row("720p read and write over a plain PyAV loop", ratio, "<= 1.2")


def _video_memory(folder: Path, seconds: int) -> Row:
    """Peak memory of a process that copies ten times the length, over one that copies the length."""
    code = "import sys; from frameweave.measuring.bench.bench import copy_peak as peak; peak(*sys.argv[1:])"
    peaks: list[int] = []
    for factor in (1, 10):
        source = _source(folder / f"{factor}.mp4", seconds * factor)
        done = subprocess.run(
            [sys.executable, "-c", code, str(source), str(folder / "copy.mp4")],
            check=True,
            capture_output=True,
            text=True,
        )
        peaks.append(int(done.stdout))
    return row("720p copy: peak memory at ten times the length over once", peaks[1] / peaks[0], "<= 1.1")


def copy_peak(source: str, target: str) -> None:
    """Copy a video and write this process's peak memory in bytes to standard output."""
    _copy(Path(source), Path(target))
    sys.stdout.write(str(peak_bytes()))
