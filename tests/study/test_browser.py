"""A whole study in a real browser on a real server: by keys, by touch, after a reload; and axe's findings."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from browser import chromium
from frameweave.study.answers import Answer
from frameweave.study.folder import read_design
from frameweave.study.server.storage import Store
from studies import TOKEN, served

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def folder(study_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(study_folder, tmp_path / "study"))


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    with served(folder) as (found, _):
        yield found


def opened(browser: Browser, address: str, **look: Any) -> tuple[Page, list[str]]:
    """A fresh browser on the first page, and what it complains about."""
    page = browser.new_context(**look).new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.goto(address)
    return page, faults


def begin(page: Page) -> None:
    page.check("#agree")
    with page.expect_navigation():
        page.click("text=Begin")


def watch(page: Page) -> None:
    """Wait until the videos were seen once."""
    page.locator("[data-status]", has_text="left").or_(
        page.locator("[data-status]", has_text="goes on")
    ).wait_for()


def rows(folder: Path) -> list[Answer]:
    store = Store(f"sqlite:///{folder}/answers.sqlite", read_design(folder))
    found = store.answers()
    store.close()
    return found


def test_by_keys_through_the_whole_study(browser: Browser, address: str, folder: Path) -> None:
    page, faults = opened(browser, address, **DESKTOP)
    begin(page)
    for number in range(1, 7):
        assert page.inner_text("label[for=progress]") == f"Pair {number} of 6"
        assert page.is_disabled("[data-send]")
        watch(page)
        for key in ("ArrowLeft", "ArrowRight", "2", "ArrowLeft", "3", "ArrowRight"):
            page.keyboard.press(key)
        with page.expect_navigation():
            page.keyboard.press("Enter")
    assert page.url.endswith("/thanks") and len(page.inner_text(".code")) == 10
    found = rows(folder)
    assert len(found) == 18 and all(row.loops >= 1 and row.milliseconds > 300 for row in found)
    sides = [row.choice for row in found]
    assert sides.count("left") == 12  # the first two questions of six pages
    assert faults == []


def test_by_touch_on_a_phone_with_a_reload_and_a_closed_browser(
    browser: Browser, address: str, folder: Path
) -> None:
    page, faults = opened(browser, address, **PHONE)
    begin(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for box in page.locator(".choices label, .controls button").all():
        size = box.bounding_box()
        assert size is not None and size["height"] >= 44
    watch(page)
    for question in page.locator("fieldset").all():
        question.locator("label").first.tap()
    with page.expect_navigation():
        page.locator("[data-send]").tap()
    assert page.inner_text("label[for=progress]") == "Pair 2 of 6"
    trial = page.input_value("[name=trial]")
    page.reload()
    assert page.input_value("[name=trial]") == trial
    state = page.context.storage_state()
    page.context.close()
    again = browser.new_context(**PHONE, storage_state=state).new_page()
    again.goto(address)
    again.click("text=Go on where you stopped")
    assert again.input_value("[name=trial]") == trial
    assert len(rows(folder)) == 3 and faults == []


def test_a_double_click_is_one_answer(browser: Browser, address: str, folder: Path) -> None:
    page, _ = opened(browser, address, **DESKTOP)
    begin(page)
    watch(page)
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    with page.expect_navigation():
        page.locator("[data-send]").dblclick()
    assert page.inner_text("label[for=progress]") == "Pair 2 of 6" and len(rows(folder)) == 3


def test_the_videos_stay_together(browser: Browser, address: str) -> None:
    page, _ = opened(browser, address, **DESKTOP)
    begin(page)
    watch(page)
    apart: list[float] = []
    for _ in range(25):
        page.wait_for_timeout(80)
        times = page.evaluate("videos.map((video) => video.currentTime)")
        apart.append(max(times) - min(times))
    assert sorted(apart)[20] < 0.06, apart  # within a frame; now and then one is caught at a restart


def test_the_next_pair_is_loaded_before_it_is_shown(browser: Browser, address: str) -> None:
    page, _ = opened(browser, address, **DESKTOP)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    begin(page)
    watch(page)
    following = page.get_attribute("[data-following]", "data-following")
    for _ in range(50):
        if sum(f"/media/{following}/" in url for url in asked) >= 3:
            break
        page.wait_for_timeout(50)
    assert sum(f"/media/{following}/" in url for url in asked) >= 3


def test_nothing_moves_by_itself_where_motion_is_not_wanted(browser: Browser, address: str) -> None:
    page, _ = opened(browser, address, **DESKTOP, reduced_motion="reduce")
    begin(page)
    page.wait_for_timeout(700)
    assert page.evaluate("videos.every((video) => video.paused)")
    assert page.inner_text("[data-play]") == "Play"
    page.click("[data-play]")
    watch(page)


def test_it_works_without_scripts(browser: Browser, address: str, folder: Path) -> None:
    page, _ = opened(browser, address, **DESKTOP, java_script_enabled=False)
    begin(page)
    for criterion in ("alignment", "quality", "consistency"):
        page.check(f"#{criterion}-right", force=True)
    page.click("[data-send]")
    assert page.inner_text("label[for=progress]") == "Pair 2 of 6" and len(rows(folder)) == 3


@pytest.mark.parametrize(
    "look", [DESKTOP, PHONE, {**DESKTOP, "color_scheme": "dark"}], ids=["desktop", "phone", "dark"]
)
def test_axe_finds_nothing_serious(browser: Browser, address: str, look: dict[str, Any]) -> None:
    page, _ = opened(browser, address, **look, bypass_csp=True)  # axe is a script of ours, not of the page
    serious = {"serious", "critical"}

    def findings() -> list[str]:
        found = Axe().run(page)["violations"]
        return [f"{one['id']}: {one['help']}" for one in found if one["impact"] in serious]

    assert findings() == []
    begin(page)
    watch(page)
    page.keyboard.press("ArrowLeft")
    assert findings() == []
    page.goto(f"{address}/admin")
    assert findings() == []
    page.fill("#token", TOKEN)
    with page.expect_navigation():
        page.click("text=Log in")
    assert page.url.endswith("/admin/results") and findings() == []
