"""Which clips a page shows, and what it holds of them."""

import base64
import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frameweave.measuring.report.clips import shown_clips
from frameweave.measuring.report.reading import read_results
from frameweave.measuring.report.results import Results
from frameweave.video import VideoWriter
from results_folder import write_results

N, FRAMES = 30, 3


def write_video(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, size=(16, 16), fps=5) as writer:
        for frame in range(FRAMES):
            picture = np.full((16, 16, 3), 40 * number, np.uint8)
            writer.write(picture, Fraction(frame, 5), Fraction(1, 5))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The adaptor gains 0, 1, 2 ... hundredths on the clips in their order."""
    return read_results(
        write_results(
            tmp_path_factory.mktemp("results"),
            {
                ("vidtome", "without", "warp_error"): [0.5] * N,
                ("vidtome", "with", "warp_error"): [0.5 - 0.01 * k for k in range(N)],
                ("tokenflow", "without", "warp_error"): [0.5, None],
                ("tokenflow", "with", "warp_error"): [0.6, 0.6],
            },
            videos=write_video,
        )
    )


def test_the_largest_gain_first_and_an_unknown_one_in_the_middle(results: Results) -> None:
    shown = shown_clips(results, results.metrics[0])
    own = [clip.gain for clip in shown.clips if clip.editor == "vidtome"]
    assert own == [pytest.approx(0.01 * k) for k in reversed(range(N))]
    other = [clip.gain for clip in shown.clips if clip.editor == "tokenflow"]
    assert other[-1] == pytest.approx(-0.1) and None in other
    assert shown.left_out == 0


def test_the_gain_is_the_first_adaptors(tmp_path: Path) -> None:
    """A second arm that gains by luck must not hide what the first one loses."""
    values: dict[tuple[str, str, str], list[float | None]] = {
        ("vidtome", arm, "warp_error"): [value]
        for arm, value in (("without", 0.5), ("with", 0.7), ("lucky", 0.1))
    }
    found = read_results(write_results(tmp_path, values, videos=write_video))
    assert [clip.gain for clip in shown_clips(found, found.metrics[0]).clips] == [pytest.approx(-0.2)]


def test_each_picture_stands_in_the_page_once(results: Results) -> None:
    shown = shown_clips(results, results.metrics[0])
    assert len(shown.pictures) == 4  # source, without, with, true edit, which all clips of this folder share
    clip = shown.clips[0]
    assert [panel.title for panel in clip.panels] == ["source", "without", "with", "true edit"]
    for panel in clip.panels:
        picture = shown.pictures[panel.picture]
        assert (picture.frames, picture.fps, picture.columns) == (FRAMES, 5.0, FRAMES)
        image = Image.open(io.BytesIO(base64.b64decode(picture.url.split(",")[1])))
        assert image.size == (16 * FRAMES, 16)


def test_a_small_page_keeps_best_worst_and_middle(results: Results) -> None:
    shown = shown_clips(results, results.metrics[0], most=0)
    own = [round(100 * clip.gain) for clip in shown.clips if clip.editor == "vidtome"]
    assert own == [29, 15, 0]
    assert shown.left_out == 2 * N - len(shown.clips)


def test_a_video_that_is_gone_is_left_out(tmp_path: Path) -> None:
    values: dict[tuple[str, str, str], list[float | None]] = {("vidtome", "without", "warp_error"): [0.5]}
    folder = write_results(tmp_path, values, videos=write_video)
    (folder / "videos" / "truth.mp4").unlink()
    (folder / "videos" / "source.mp4").write_bytes(b"torn")
    results = read_results(folder)
    shown = shown_clips(results, results.metrics[0])
    assert [panel.title for clip in shown.clips for panel in clip.panels] == ["without"]
    (folder / "videos" / "without.mp4").unlink()
    assert shown_clips(results, results.metrics[0]).clips == ()
