"""The world in MSR-VTT's layout: real videos that the reader finds, the same for the same seed."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from frameweave.data.record import ClipRecord
from frameweave.data.sources.detect import read_source
from frameweave.video import probe, timeline
from frameweave.video.clip import Clip
from frameweave.world.msrvtt_shaped import Shaped, write_msrvtt_shaped
from frameweave.world.options import MsrvttOptions


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = MsrvttOptions(out=tmp_path_factory.mktemp("msrvtt"), clips=24, frames=6)
    return write_msrvtt_shaped(options)["folder"]


def clips(folder: Path) -> list[ClipRecord]:
    return [item for item in read_source(str(folder)) if isinstance(item, ClipRecord)]


def test_it_is_an_msr_vtt_that_can_be_read(folder: Path) -> None:
    found = clips(folder)
    assert [clip.id for clip in found] == [f"video{n}" for n in range(24)]
    assert Counter(clip.split for clip in found) == {"train": 16, "validate": 2, "test": 6}
    table = json.loads((folder / "train_val_videodatainfo.json").read_text())
    assert len(table["sentences"]) == 20 * len(table["videos"]) == 20 * 18
    assert {"start time", "end time", "url", "category", "video_id", "split", "id"} == set(table["videos"][0])
    origins: dict[str, set[str]] = {}
    for clip in found:
        origins.setdefault(clip.origin, set()).add(clip.split)
    assert len(origins) == 12 and all(len(splits) == 1 for splits in origins.values())


def test_the_videos_are_what_they_should_be(folder: Path) -> None:
    found = clips(folder)
    shaped = [Shaped.of(0, number) for number in range(24)]
    for clip, like in zip(found, shaped, strict=True):
        info = probe(Path(clip.path))
        assert (info.width, info.height, info.rotation) == (*like.size, like.rotation % 360)
        assert info.has_audio == like.sound
        times = np.diff([float(time) for time in timeline(Path(clip.path)).times])
        assert len(times) == 5 and (np.ptp(times) > 0.01) == like.uneven
        depth = np.load(clip.depth)
        assert depth.shape == (6, like.size[1], like.size[0]) and 0 <= depth.min() < depth.max() <= 1
    kinds = [(like.cut, like.uneven, like.rotation > 0, like.sound) for like in shaped]
    assert all(any(kind[k] for kind in kinds) for k in range(4))


def test_the_annotations_tell_how_long_a_clip_is(folder: Path) -> None:
    told: dict[str, float] = {}
    for name in ("train_val", "test"):
        table = json.loads((folder / f"{name}_videodatainfo.json").read_text())
        told |= {video["video_id"]: video["end time"] - video["start time"] for video in table["videos"]}
    for number, clip in enumerate(clips(folder)):
        fps = Shaped.of(0, number).fps
        last = float(timeline(Path(clip.path)).times[-1])  # when its last frame starts
        assert 0.4 < (told[clip.id] - last) * fps < 1.6


def test_a_cut_is_a_jump_between_two_scenes(folder: Path) -> None:
    number = next(n for n in range(24) if Shaped.of(0, n).cut)
    clip = clips(folder)[number]
    frames = Clip.read(Path(clip.path)).frames
    steps = (frames[1:] - frames[:-1]).abs().mean((1, 2, 3))
    assert int(steps.argmax()) == 2 and float(steps[2]) > 3 * float(steps[[0, 1, 3, 4]].max())


def test_a_clip_is_a_function_of_seed_and_number(folder: Path, tmp_path: Path) -> None:
    again = write_msrvtt_shaped(MsrvttOptions(out=tmp_path / "few", clips=3, frames=6))["folder"]
    for n in range(3):
        a, b = (next(place.rglob(f"video{n}.mp4")) for place in (folder, again))
        assert a.read_bytes() == b.read_bytes()
    options = MsrvttOptions(out=tmp_path / "other", clips=1, frames=6, seed=1, depth=False)
    other = write_msrvtt_shaped(options)["folder"]
    assert next(other.rglob("video0.mp4")).read_bytes() != next(folder.rglob("video0.mp4")).read_bytes()
    assert not list(other.rglob("*.npy"))
