"""Sheets of panels: they fit what encoders take, and show every panel in its place."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frameweave.editing.comparing.sheet import Layout, write_picture, write_sheet
from frameweave.video import probe, read_frames
from videos import write_video


@pytest.mark.parametrize("size", [(64, 64), (1280, 720), (3840, 2160), (360, 640), (17, 5), (4000, 8)])
@pytest.mark.parametrize(("count", "columns"), [(1, 1), (12, 6), (7, 7), (14, 7)])
def test_sheets_fit(size: tuple[int, int], count: int, columns: int) -> None:
    found = Layout.of(count, columns=columns, size=size, most=(1920, 2160))
    assert found.size[0] <= 1920 and found.size[1] <= 2160
    assert found.size[0] % 2 == found.size[1] % 2 == 0
    assert found.panel[0] <= 3 * size[0] and found.panel[1] <= 3 * size[1]
    assert found.label >= 14


def test_every_panel_stands_in_its_place(tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    panels: list[tuple[str, Path]] = []
    for name, colour in zip("abc", colours, strict=True):
        frames = np.stack([np.full((32, 48, 3), colour, np.uint8)] * (2 if name == "b" else 4))
        panels.append((name, write_video(tmp_path / f"{name}.mp4", frames, fps=4)))
    layout = Layout.of(3, columns=2, size=(48, 32), most=(1920, 1080))
    write_sheet(panels, tmp_path / "sheet.mp4", layout, times=[Fraction(n, 4) for n in range(5)])
    info = probe(tmp_path / "sheet.mp4")
    assert (info.width, info.height, info.fps, info.frames) == (*layout.size, 4, 4)
    for picture in read_frames(tmp_path / "sheet.mp4"):
        for number, colour in enumerate(colours):
            x = number % 2 * (layout.panel[0] + 4) + layout.panel[0] // 2
            y = number // 2 * (layout.panel[1] + layout.label + 4) + layout.label + layout.panel[1] // 2
            assert abs(picture.pixels[y, x].astype(int) - colour).max() < 12


def test_pictures_stand_side_by_side(tmp_path: Path) -> None:
    for name, grey in (("a", 0), ("b", 200)):
        Image.new("L", (10, 4), grey).save(tmp_path / f"{name}.png")
    layout = Layout.of(2, columns=2, size=(10, 4), most=(1920, 1080))
    panels = [(name, tmp_path / f"{name}.png") for name in "ab"]
    write_picture(panels, tmp_path / "both.png", layout)
    with Image.open(tmp_path / "both.png") as found:
        middle = layout.label + layout.panel[1] // 2
        assert found.getpixel((15, middle)) == (0, 0, 0)
        assert found.getpixel((layout.panel[0] + 4 + 15, middle)) == (200, 200, 200)
