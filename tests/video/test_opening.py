"""What is opened: files only, by whatever name they are given."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from frameweave.errors import InputError
from frameweave.video import probe, read_frames, timeline
from frameweave.video.clip import Clip
from odd_videos import card, coded, number_of


@pytest.mark.parametrize("name", ["a.mp4", "a.png"])
def test_pipes_are_refused_and_never_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    for read in (probe, timeline, lambda path: next(read_frames(path)), Clip.read):
        with pytest.raises(InputError, match=f"{name}: a pipe or a device, expected a file"):
            read(tmp_path / name)


def test_standard_input_may_be_a_file_and_no_pipe(tmp_path: Path) -> None:
    video = coded(tmp_path / "a.ts", range(3))
    code = (
        "from frameweave.video import read_frames\n"
        "from frameweave.errors import InputError\n"
        "try: print(len(list(read_frames('/dev/stdin'))))\n"
        "except InputError as error: print(error)"
    )
    with video.open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-c", code], stdin=file, capture_output=True, text=True, check=True
        )
    assert done.stdout.strip() == "3"
    piped = subprocess.run(
        [sys.executable, "-c", code], input=video.read_bytes(), capture_output=True, check=True
    )
    assert b"a pipe or a device" in piped.stdout


def test_paths_may_be_text(tmp_path: Path) -> None:
    coded(tmp_path / "a.mp4", range(3))
    name = str(tmp_path / "a.mp4")
    assert probe(name).frames == len(list(read_frames(name))) == len(Clip.read(name)) == 3
    Clip.read(name).write(str(tmp_path / "b.mp4"))
    assert [number_of(frame.pixels) for frame in read_frames(tmp_path / "b.mp4")] == [0, 1, 2]
    Image.fromarray(card(4)).save(tmp_path / "c.png")
    assert number_of(next(read_frames(str(tmp_path / "c.png"))).pixels) == 4
