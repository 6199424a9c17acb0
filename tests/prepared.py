"""Small prepared data sets, made in the test's own process."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from frameweave.data.dataset import write_index
from frameweave.data.extraction import extract
from frameweave.data.options import ShardSettings
from frameweave.data.plan import Choice, Plan, write_plan
from frameweave.data.record import ClipRecord, Skipped
from frameweave.data.shards.shard import build_shard
from videos import blobs, write_video

SETTINGS = ShardSettings(size=32, per_clip=2, frames=2, picture="png", depth_model="brightness")


class Listed(list[ClipRecord | Skipped]):
    """A reader over a list."""


def brightness(pictures: list[bytes]) -> np.ndarray:
    """A depth estimator for the tests."""
    return np.stack([np.asarray(Image.open(io.BytesIO(p)).convert("L"), np.float32) for p in pictures])


def some_clips(folder: Path, count: int = 5, train: int | None = None) -> list[ClipRecord]:
    """Videos with two captions each; the first `train` (all but two) are for training."""
    folder.mkdir(exist_ok=True, parents=True)
    first = count - 2 if train is None else train
    return [
        ClipRecord(
            id=f"Clip {k}",
            path=str(write_video(folder / f"clip{k}.mp4", blobs(12, k))),
            captions=(f"number {k}", "a second caption"),
            split="train" if k < first else "test",
            category="music",
        )
        for k in range(count)
    ]


def prepared(folder: Path, clips: list[ClipRecord], settings: ShardSettings = SETTINGS) -> Path:
    """All shards of these clips, two to a shard."""
    folder.mkdir(exist_ok=True)
    write_plan(folder, Listed(clips), settings.table(), Choice(source="here", clips_per_shard=2))
    plan = Plan.open(folder)
    for shard in plan.shards():
        build_shard(folder, shard, settings, extract, brightness)
    assert write_index(folder, plan) is not None
    return folder


def a_dataset(folder: Path, clips: int = 5) -> Path:
    return prepared(folder / "shards", some_clips(folder / "videos", clips))
