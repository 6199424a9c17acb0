"""The picture of edits of one clip: what stands in it, read back from the SVG's words."""

import io
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch
from PIL import Image

from frameweave.errors import InputError
from frameweave.measuring.options import StripOptions
from frameweave.measuring.strip import strip
from frameweave.progress import Notes
from frameweave.runs.settings import write_toml
from frameweave.video.clip import Clip
from frameweave.video.filmstrips import shown_frames, xt_slice
from videos import colour_ramp, write_video


def write(path: Path, frames: int = 4, size: tuple[int, int] = (16, 16)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Clip.of(torch.rand(frames, 3, *size, generator=torch.Generator().manual_seed(frames))).write(path)
    return path


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / f"{name}.mp4") for name in ("clip", "tokenflow", "vidtome")]


def words(picture: Path) -> list[str]:
    """What an SVG says: matplotlib keeps each text as a comment above its outlines."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    root = ET.fromstring(picture.read_text(), parser)
    return [(node.text or "").strip() for node in root.iter() if node.tag is ET.Comment]


def test_every_clip_is_a_row_and_the_bytes_are_the_same(clips: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "new" / "strip.svg"
    options = StripOptions(out=out, truth=clips[1], title="a red car", pictures=2)
    assert strip(clips, options) == {"picture": out}
    said = words(out)
    assert {"source", "tokenflow", "vidtome", "true edit", "x-t slice", "a red car"} <= set(said)
    assert [word for word in said if word.startswith("frame")] == ["frame 0", "frame 3"]
    before = out.read_bytes()
    strip(clips, options.replaced(overwrite=True))
    assert out.read_bytes() == before
    png = strip(clips, options.replaced(out=tmp_path / "strip.png"))["picture"]
    assert Image.open(io.BytesIO(png.read_bytes())).width > 300


def test_runs_stand_for_their_results(tmp_path: Path) -> None:
    source = write(tmp_path / "clip.mp4")
    single, compared = tmp_path / "single", tmp_path / "compared"
    for folder, settings, result in (
        (single, {"editor": "tokenflow", "adaptor": "miniature"}, {"videos": ["edited.mp4"]}),
        (compared, {"compare": True}, {"panels": ["source", "vidtome", "vidtome + adaptor"]}),
    ):
        folder.mkdir()
        given = {"video": str(source), "prompts": ["a red car"]}
        write_toml(
            folder / "run.toml", {"command": "edit", "settings": settings, "input": given, "result": result}
        )
    for path in (single / "edited.mp4", compared / "vidtome.mp4", compared / "vidtome-adaptor.mp4"):
        write(path)
    out = tmp_path / "strip.svg"
    strip([single, compared, single], StripOptions(out=out))
    said = words(out)
    titles = ["source", "tokenflow + adaptor", "vidtome", "vidtome + adaptor", "(2)"]  # of two lines
    assert [word for word in said if word in titles] == [*titles[:-1], "tokenflow + adaptor", "(2)"]
    assert "a red car" in said


def test_lengths_and_sizes_may_differ(clips: list[Path], tmp_path: Path) -> None:
    other, notes = write(tmp_path / "short.mp4", 3, (32, 48)), Notes()
    strip([clips[0], other], StripOptions(out=tmp_path / "strip.svg"), progress=notes)
    assert notes.texts[0] == f"{other}: 3 frames, the source has 4"
    assert notes.texts[1].startswith(f"{other}: 48 x 32 pixels, the source has ")
    slow = write_video(tmp_path / "slow.mp4", colour_ramp(4, (64, 64)), fps=4)
    strip([clips[0], slow], StripOptions(out=tmp_path / "slow.png"), progress=notes)
    assert "4 frames per second, the source has 8: frames of one number" in notes.texts[-1]
    assert shown_frames(other, (16, 16)).shape == (3, 16, 16, 3)
    assert shown_frames(other, (1024, 512), 2).shape == (2, 128, 256, 3)


def test_the_slice_follows_a_line() -> None:
    frames = np.arange(4 * 5 * 2 * 3, dtype=np.uint8).reshape(4, 5, 2, 3)
    assert np.array_equal(xt_slice(frames), frames[:, 2])
    assert np.array_equal(xt_slice(frames, 0), frames[:, 0])
    assert np.array_equal(xt_slice(frames, 1), frames[:, 4])


def test_what_is_refused(clips: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "strip.png"
    with pytest.raises(InputError, match="expected a .png or .svg file"):
        strip(clips, StripOptions(out=tmp_path / "strip.pdf"))
    with pytest.raises(InputError, match="no edit to draw"):
        strip(clips[:1], StripOptions(out=out))
    with pytest.raises(InputError, match="1 names for 2 edits"):
        strip(clips, StripOptions(out=out, name=("one",)))
    out.write_text("mine")
    with pytest.raises(InputError, match="there already"):
        strip(clips, StripOptions(out=out))
    assert out.read_text() == "mine"
    run = tmp_path / "run"
    run.mkdir()
    for record, reason in (
        ({"command": "train"}, "a run of train, expected a finished run of edit"),
        ({"command": "edit"}, "not finished"),
    ):
        write_toml(run / "run.toml", record)
        with pytest.raises(InputError, match=reason):
            strip([clips[0], run], StripOptions(out=tmp_path / "other.png"))
