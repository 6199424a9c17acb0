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

from frameweave.editors import registry
from frameweave.measuring.bench.data import data_rows
from frameweave.measuring.bench.editing import editing_row
from frameweave.measuring.bench.growth import length_rows, size_rows
from frameweave.measuring.bench.metrics import metrics_row
from frameweave.measuring.bench.paired import Row, paired, row, seconds
from frameweave.measuring.bench.training import adaptor_row, training_rows
from frameweave.measuring.options import BenchOptions, BenchPart
from frameweave.models.loading.load import load
from frameweave.models.memory import peak_bytes
from frameweave.progress import SILENT, Progress
from frameweave.video import VideoWriter, read_frames
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
    lengths = sorted(set(options.lengths or ((16, 32) if quick else (16, 32, 64, 128, 300))))
    sizes = sorted(set(options.sizes or ((64, 128) if quick else (64, 128, 256))))
    model = cache(lambda: load(device="cpu"))
    parts: dict[BenchPart, Callable[[], Iterator[Row]]] = {
        "start": lambda: iter([_import_time()]),
        "world": lambda: iter([_world_speed()]),
        "editing": lambda: (
            editing_row(model(), name, own, steps=_STEPS, frames=_FRAMES, repeats=repeats)
            for name, own in settings.items()
        ),
        "length": lambda: length_rows(list(settings), lengths, progress=progress),
        "size": lambda: size_rows(list(settings), sizes, progress=progress),
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
