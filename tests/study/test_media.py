"""Videos of a study: alike in all that could tell them apart, and refused when they cannot be compared."""

from pathlib import Path

import pytest
import torch

from frameweave.errors import DataError
from frameweave.measuring.metrics.fidelity import psnr
from frameweave.study.media import common_look, even_out, read_clip, spoilt, write_media
from frameweave.video import probe
from frameweave.video.clip import Clip


def video(path: Path, frames: int = 4, size: tuple[int, int] = (32, 24), seed: int = 0) -> Path:
    rng = torch.Generator().manual_seed(seed)
    Clip.of(torch.rand(frames, 3, size[1], size[0], generator=rng), fps=8).write(path)
    return path


def test_both_come_out_in_one_look_and_one_length_of_bytes(tmp_path: Path) -> None:
    sources = [video(tmp_path / "a.mp4"), video(tmp_path / "b.webm", size=(64, 48), seed=1)]
    look = common_look(sources)
    assert look.size == (512, 384) and look.frames == 4 and look.fps == 8
    written = [tmp_path / f"{number}.mp4" for number in range(2)]
    for source, target in zip(sources, written, strict=True):
        write_media(read_clip(source), look, target)
    assert len({path.stat().st_size for path in written}) == 2
    even_out(written)
    assert len({path.stat().st_size for path in written}) == 1
    for source, path in zip(sources, written, strict=True):
        info = probe(path)
        assert (info.width, info.height) == look.size
        back = Clip.read(path, size=read_clip(source).size)
        assert len(back) == 4 and float(psnr(back.frames, read_clip(source).frames).mean()) > 18


def test_files_say_nothing_of_their_origin(tmp_path: Path) -> None:
    import av

    source = video(tmp_path / "with-the-adaptor.mp4")
    write_media(read_clip(source), common_look([source]), tmp_path / "x.mp4")
    with av.open(str(tmp_path / "x.mp4")) as container:
        assert container.metadata.keys() <= {"major_brand", "minor_version", "compatible_brands", "encoder"}
        assert not container.streams.audio


def test_lengths_and_shapes_that_differ_are_told(tmp_path: Path) -> None:
    a = video(tmp_path / "a.mp4")
    with pytest.raises(DataError, match="5 frames"):
        common_look([a, video(tmp_path / "b.mp4", frames=5)])
    with pytest.raises(DataError, match="32 x 32"):
        common_look([a, video(tmp_path / "c.mp4", size=(32, 32))])


def test_missing_and_unplayable_videos_are_told(tmp_path: Path) -> None:
    torn = video(tmp_path / "a.mp4")
    torn.write_bytes(torn.read_bytes()[:200])
    for path in (torn, tmp_path / "nothing.mp4"):
        with pytest.raises(DataError, match=path.name):
            common_look([path])


def test_a_spoilt_copy_is_much_worse(tmp_path: Path) -> None:
    clip = read_clip(video(tmp_path / "a.mp4", size=(48, 48)))
    bad = spoilt(clip, seed=1)
    assert bad.frames.shape == clip.frames.shape and float(psnr(bad.frames, clip.frames).mean()) < 15
    assert torch.equal(bad.frames, spoilt(clip, seed=1).frames)
