"""The report's page in a real browser: no network, one clock, sorting, wiping, keys."""

import re
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser import chromium
from frameweave.measuring.report.report import report
from frameweave.video import VideoWriter
from frameweave.video.filmstrips import drawn, frames_of, heat, xt_slice
from results_folder import write_results

N, FRAMES = 12, 5


def write_video(path: Path, seed: int) -> None:
    """Flat frames, each a little brighter, so that a frame is known by its colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, size=(32, 32), fps=8) as writer:
        for number in range(FRAMES):
            picture = np.full((32, 32, 3), 20 + 40 * number, np.uint8)
            picture[:, :, seed % 3] = 0
            writer.write(picture, Fraction(number, 8), Fraction(1, 8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    write_results(
        folder,
        {
            ("vidtome", "without", "warp_error"): [0.2 + 0.01 * k for k in range(N)],
            ("vidtome", "with", "warp_error"): [0.25 - 0.01 * k for k in range(N)],
            ("tokenflow", "without", "warp_error"): [0.1] * N,
            ("tokenflow", "with", "warp_error"): [0.2] * N,
            ("vidtome", "without", "clip_score"): [60.0 + k for k in range(N)],
            ("vidtome", "with", "clip_score"): [61.0 + k for k in range(N)],
        },
        videos=write_video,
    )
    report([folder])
    return folder


def test_all_is_in_one_file(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert "http" not in re.sub(r"http-equiv", "", page)
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert "miniature-clip-123456" in page  # the banner names what stood in
    names = {path.name for path in (folder / "figures").iterdir()}
    assert {"differences.svg", "scatter-warp_error-with.png", "strip-vidtome-most-gained.png"} <= names


def test_the_same_results_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    report([folder], tmp_path)
    for name in ("report.html", "figures/differences.svg", "figures/differences.png"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_words_of_a_prompt_are_only_words(folder: Path, tmp_path: Path) -> None:
    text = (folder / "pairs.jsonl").read_text()
    for path in folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    shutil.copytree(folder / "videos", tmp_path / "videos")
    evil = "</script><img src=x onerror=alert(1)>"
    (tmp_path / "pairs.jsonl").write_text(text.replace('"prompt": "b"', f'"prompt": "{evil}"'))
    report([tmp_path])
    page = (tmp_path / "report.html").read_text()
    assert "<img src=x" not in page and "\\u003c/script>" in page


def test_frames_slices_and_heat(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 0)
    frames = frames_of(tmp_path / "a.mp4")
    assert frames.shape == (FRAMES, 32, 32, 3)
    assert xt_slice(frames).shape == (FRAMES, 32, 3)
    assert heat(frames).mean() == pytest.approx(2 / 3 * 40 / 255, abs=0.01)  # two channels rise by 40
    assert not heat(frames[:1]).any()
    made = drawn(np.zeros((10, 600, 300, 3), np.uint8), 8.0)
    assert (made.width, made.height, made.columns, made.frames) == (128, 256, 8, 10)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def browser() -> Generator[Any, None, None]:
    with chromium() as found:
        yield found


@contextmanager
def shown(browser: Any, path: Path, **settings: Any) -> Generator[Any, None, None]:
    """A page without a network; at the end nothing was said on the console and nothing asked for."""
    with browser.new_context(offline=True, **settings) as context:
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        yield page
        assert [line for line in said if "getImageData" not in line] == []  # these tests' own reading
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]


@pytest.fixture(scope="module")
def opened(browser: Any, folder: Path) -> Generator[Any, None, None]:
    with shown(browser, folder / "report.html") as page:
        wait_until(lambda: page.get_attribute("#players", "data-frame") not in (None, "0"))
        yield page


COLOURS = """() => [...document.querySelectorAll('#players figure > canvas:first-child')].map(
    (one) => Math.max(...one.getContext('2d').getImageData(16, 16, 1, 1).data.slice(0, 3)))"""


def test_one_clock_moves_all_clips(opened: Any) -> None:
    page = opened
    page.click("#play")  # pause
    for number in (3, 1):
        page.fill("#frame", str(number))
        colours = page.evaluate(COLOURS)
        assert len(colours) == 4  # source, without, with, true edit
        assert colours == pytest.approx([20 + 40 * number] * 4, abs=8)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    assert page.text_content("#frame-number") == "3 / 5"
    page.keyboard.press(" ")
    before = page.get_attribute("#players", "data-frame")
    wait_until(lambda: page.get_attribute("#players", "data-frame") != before)


def test_the_clip_that_gains_most_comes_first(opened: Any) -> None:
    page = opened
    page.select_option("#editor", "vidtome")
    options = page.eval_on_selector_all("#clip option", "all => all.map((one) => one.textContent)")
    assert len(options) == N and options[0].startswith("+") and options[-1].startswith("−")


def test_the_border_wipes_and_a_key_flips(opened: Any) -> None:
    page = opened
    look = """(x) => [...document.querySelector('#wipe').getContext('2d')
        .getImageData(x, 16, 1, 1).data].slice(0, 3)"""
    if page.text_content("#play") == "Pause":
        page.click("#play")
    page.fill("#frame", "4")
    page.fill("#border", "50")
    left, right = page.evaluate(look, 4), page.evaluate(look, 28)
    assert np.argmin(left) != np.argmin(right)  # each clip lacks another channel
    page.evaluate("document.activeElement.blur()")
    page.keyboard.down("f")
    assert np.argmin(page.evaluate(look, 4)) == np.argmin(right)
    page.keyboard.up("f")
    assert np.argmin(page.evaluate(look, 4)) == np.argmin(left)


def test_tables_are_sorted_by_their_heads(opened: Any) -> None:
    page = opened
    values = """() => [...document.querySelector('table.sortable').tBodies[0].rows].map(
        (row) => Number(row.querySelector('td').dataset.value))"""
    button = page.locator("table.sortable").first.locator("thead button").nth(2)
    button.click()
    assert page.evaluate(values) == sorted(page.evaluate(values))
    button.click()
    assert page.evaluate(values) == sorted(page.evaluate(values), reverse=True)


@pytest.mark.parametrize("width", [320, 1280])
def test_it_fits_phones_and_starts_still_where_motion_is_reduced(
    browser: Any, folder: Path, width: int
) -> None:
    settings = {
        "viewport": {"width": width, "height": 700},
        "reduced_motion": "reduce",
        "color_scheme": "dark",
    }
    with shown(browser, folder / "report.html", **settings) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.text_content("#play") == "Play"
        wait_until(lambda: page.get_attribute("#players", "data-frame") == "0")
        time.sleep(0.3)  # more than two frames
        assert page.get_attribute("#players", "data-frame") == "0"
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(255, 255, 255)"  # on dark


def test_all_controls_are_reached_by_the_keyboard(browser: Any, folder: Path) -> None:
    with shown(browser, folder / "report.html") as page:
        reached: set[str] = set()
        for _ in range(80):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        assert {"editor", "clip", "play", "frame", "speed", "left", "right", "border", "BUTTON"} <= reached


def test_a_page_without_clips_has_no_player(browser: Any, tmp_path: Path) -> None:
    folder = write_results(tmp_path, {("vidtome", "without", "warp_error"): [0.1, 0.2, 0.3]})
    with shown(browser, report([folder])) as page:
        assert not page.is_visible("#player") and page.is_visible("table.sortable")


def test_print_leaves_the_player_out(browser: Any, folder: Path) -> None:
    with shown(browser, folder / "report.html") as page:
        page.emulate_media(media="print")
        assert not page.is_visible("#player") and page.is_visible("#figures img")
