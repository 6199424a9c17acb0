"""Preparing and reading shards, over the plainest way to the same pictures."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import torch
import torch.nn.functional as F
from PIL import Image

from frameweave.data.grouping import candidates, members
from frameweave.data.options import GroupSettings
from frameweave.data.reading import ShardGroups
from frameweave.measuring.bench.paired import Row, paired, row
from frameweave.progress import SILENT, Progress
from frameweave.training.sources.folder import FolderGroups
from frameweave.video.clip import Clip
from frameweave.world.render import render_clip
from frameweave.world.scene import sample_scenes

_SIDE = 256
_JOB = """
import sys
from pathlib import Path
from frameweave.data.options import PrepareOptions
from frameweave.data.prepare import prepare
source, out, workers = sys.argv[1:]
prepare(source, PrepareOptions(out=Path(out), size=256, depth="none", workers=int(workers), clips_per_shard=5,
                               mode="overwrite"))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
_TRAINING = """
import sys, time
from pathlib import Path
from frameweave.data.reading import ShardGroups
from frameweave.training.train import train
from frameweave.training.options import TrainOptions
read, spent, began = ShardGroups.group, [], []
def timed(self, index):
    began.append(time.perf_counter())
    group = read(self, index)
    spent.append(time.perf_counter() - began[-1])
    return group
ShardGroups.group = timed
shards, out = sys.argv[1:]
train(("lora",), TrainOptions(data=shards, n_shared=0, depth_control=False, held_out=4, batch=4, accumulate=1,
                              steps=20, norms_every=0, watch_every=20, threads=1, out=Path(out)))
print(sum(spent) / (time.perf_counter() - began[0]))
"""


def data_rows(*, quick: bool = False, progress: Progress = SILENT) -> Iterator[Row]:
    """Speed over a plain loop, reading over decoding, memory over ten times the clips."""
    clips, length = (10, 60) if quick else (60, 300)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        progress.note(f"preparing {clips} clips of {length} frames")
        videos = _videos(root / "videos", clips, length)
        ours = paired(
            lambda: _plain(videos, root / "plain"),
            lambda: _prepared(videos, root / "shards"),
            1 if quick else 3,
        )
        yield row("data prepare: a plain loop's time over ours, two workers", ours, ">= 1.7")
        yield row("reading groups: decoding the videos again over shards", _reading(videos, root), ">= 10")
        share = float(_printed(_TRAINING, str(root / "shards"), str(root / "training")))
        yield row("training from shards: its time spent on reading them", share, "<= 0.1")
        progress.note("preparing 100 and 1000 clips")
        counts = (20, 40) if quick else (100, 1000)
        peaks = [_prepared(_videos(root / f"{n}", n, 12), root / f"{n}-shards") for n in counts]
        figure = f"data prepare: peak memory at {counts[1]} over {counts[0]} clips"
        yield row(figure, peaks[1] / peaks[0], "about 1")


def _videos(folder: Path, count: int, length: int) -> Path:
    """Clips in MSR-VTT's usual size, with captions."""
    folder.mkdir()
    for number in range(count):
        frames = render_clip(sample_scenes(1, seed=number), length).frames
        Clip.of(F.interpolate(frames, (240, 320)), fps=25).write(folder / f"video{number:04}.mp4")
        (folder / f"video{number:04}.txt").write_text("a caption\n", encoding="utf-8")
    return folder


def _prepared(videos: Path, out: Path) -> int:
    """Prepare in a process of its own; returns its peak memory (without its workers)."""
    return int(_printed(_JOB, str(videos), str(out), "2"))


def _printed(program: str, *arguments: str) -> str:
    """The last line that a program prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.splitlines()[-1]


def _plain(videos: Path, out: Path) -> None:
    """One process that decodes each video from its start, and writes the same frames as JPEG files."""
    out.mkdir(exist_ok=True)
    settings = GroupSettings(size=_SIDE)
    for video in sorted(videos.glob("*.mp4")):
        with av.open(str(video)) as container:
            count = container.streams.video[0].frames
            groups = [members(tries[0], settings) for tries in candidates(video.stem, count, settings)]
            wanted = {number for group in groups for number in group}
            for number, frame in enumerate(container.decode(video=0)):
                if number in wanted:
                    image = frame.to_image()
                    side, left = image.height, (image.width - image.height) // 2
                    square = image.crop((left, 0, left + side, side)).resize(
                        (_SIDE, _SIDE), Image.Resampling.BICUBIC
                    )
                    square.save(out / f"{video.stem}-{number}.jpg", quality=95, subsampling=0)


def _reading(videos: Path, root: Path) -> float:
    """Seconds of a group out of its video over seconds of a group out of the shards."""
    torch.set_num_threads(1)
    groups, folder = ShardGroups(root / "shards"), FolderGroups(videos)
    decoding, reading = (_mean_seconds(source.group, min(40, len(source))) for source in (folder, groups))
    return decoding / reading


def _mean_seconds(work: Any, count: int) -> float:
    work(0)
    start = time.perf_counter()
    for number in range(count):
        work(number)
    return (time.perf_counter() - start) / count
