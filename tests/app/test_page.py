"""The page in a real browser on a real server, with the packaged model: two frames in two steps."""

import json
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

if find_spec("gradio") is None:
    pytest.skip("no Gradio on this machine", allow_module_level=True)

from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, expect

from app_server import AppServer
from browser import chromium
from frameweave.app.page.clip import samples
from frameweave.editing.options import EditOptions
from frameweave.editors.registry import names
from frameweave.video import probe, read_frames
from videos import colour_ramp, write_video

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SLOW = 900
"""Steps of an edit that is still running when it is looked at, of all frames of the clip."""
expect.set_options(timeout=120_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    with AppServer(tmp_path_factory.mktemp("app") / "runs") as found:
        yield found


@pytest.fixture
def opened(browser: Browser, server: AppServer) -> Iterator[Callable[..., Page]]:
    """Opens the page in a browser of its own; whatever it asks for must come from this machine."""
    contexts = []
    asked: list[str] = []

    def open_(**look: Any) -> Page:
        context = browser.new_context(**(DESKTOP | look))
        context.set_default_timeout(120_000)  # a busy machine
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(server.address)
        expect(page.get_by_label("Prompt", exact=True)).to_be_visible()
        return page

    yield open_
    for context in contexts:
        context.close()
    foreign = [url for url in asked if not url.startswith((server.address, "data:", "blob:"))]
    assert foreign == []


@pytest.fixture(autouse=True)
def nothing_runs(server: AppServer) -> Iterator[None]:
    yield
    server.stop_all()


def said(page: Page) -> Locator:
    """The line that says how far the job is."""
    return page.locator(".fw-said strong")


def sampled(page: Page) -> None:
    page.get_by_role("button", name="a blue car in the snow").click()
    expect(page.locator(".fw-facts")).to_contain_text("64 × 64")


def number(page: Page, label: str, value: int) -> None:
    box = page.get_by_label(label, exact=True).locator("visible=true")
    box.fill(str(value))
    box.press("Tab")


def ask(page: Page, prompt: str, *, steps: int = 2) -> None:
    """Fill the form for two frames, or for all of a slow edit, and press Edit."""
    sampled(page)
    number(page, "Steps", steps)
    if steps != SLOW:
        page.get_by_role("button", name="Part of the clip: range and mask").click()
        number(page, "number input for Last frame", 2)
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_role("button", name="Edit", exact=True).click()


def edited(page: Page, prompt: str) -> None:
    ask(page, prompt)
    card = page.locator(".fw-chosen").filter(has_text=prompt)  # the line may still be of an earlier job
    expect(card).to_have_attribute("data-state", "done")
    expect(said(page)).to_have_text(re.compile("^Done"))


def test_from_a_sample_to_a_download(opened: Callable[..., Page], tmp_path: Path) -> None:
    page = opened()
    edited(page, "a red car in the snow")
    expect(page.locator("fw-wipe video")).to_have_count(2)
    size = "videos => videos.every((one) => one.videoWidth === 64)"
    held = "[...document.querySelector('fw-wipe').shadowRoot.querySelectorAll('video')]"
    page.wait_for_function(f"({size})({held})")
    assert len(set(page.evaluate(f"{held}.map((one) => one.currentSrc)"))) == 2
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="One frame on").click()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download").click()
    file = tmp_path / "download.mp4"
    waiting.value.save_as(file)
    assert probe(file).has_audio and (probe(file).width, probe(file).frames) == (64, 24)
    page.get_by_text("As a command line").click()
    words = page.locator("#fw-words").inner_text()
    assert "'a red car in the snow'" in words and "--steps 2" in words


def test_a_reload_shows_the_same_job_and_its_form(opened: Callable[..., Page]) -> None:
    page = opened()
    ask(page, "a yellow car in the snow", steps=SLOW)
    expect(said(page)).to_have_text(re.compile("Inverting|Sampling"))
    page.reload()
    expect(said(page)).to_have_text(re.compile("Inverting|Sampling"))
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a yellow car in the snow")
    expect(page.locator(".fw-facts")).to_contain_text("24 frames")


def test_stop_ends_the_job_and_the_next_one_works(opened: Callable[..., Page]) -> None:
    page = opened()
    ask(page, "a green car in the snow", steps=SLOW)
    expect(said(page)).to_have_text(re.compile("Inverting|Sampling"))
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(said(page)).to_have_text(re.compile("^Stopped after"))
    expect(page.get_by_role("button", name="Go on", exact=True)).to_be_visible()
    number(page, "Steps", 2)
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(said(page)).to_have_text(re.compile("^Done"))


def test_a_second_tab_waits(opened: Callable[..., Page]) -> None:
    first, second = opened(), opened()
    ask(first, "a purple car in the snow", steps=SLOW)
    expect(said(first)).to_have_text(re.compile("Inverting|Sampling"))
    ask(second, "an orange car in the snow")
    expect(said(second)).to_have_text("Waiting: 1 before this one")
    first.get_by_role("button", name="Stop", exact=True).click()
    expect(said(second)).to_have_text(re.compile("^Done"))


def test_a_closed_tab_ends_nothing(opened: Callable[..., Page], server: AppServer) -> None:
    page = opened()
    ask(page, "a red car on the sand")
    expect(said(page)).to_have_text(re.compile("Waiting|Loading|Inverting|Sampling|Done"))
    page.close()
    server.wait("a red car on the sand", "done")
    again = opened()
    expect(again.locator(".fw-history")).to_contain_text("a red car on the sand")


def test_a_broken_file_is_told_and_the_form_stays(opened: Callable[..., Page], tmp_path: Path) -> None:
    page = opened()
    page.get_by_label("Prompt", exact=True).fill("a red car")
    file = tmp_path / "broken.mp4"
    file.write_bytes(b"no video at all")
    page.locator("#fw-clip-file input[type=file]").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text("broken.mp4")
    assert str(tmp_path) not in page.locator(".fw-problem").inner_text()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a red car")
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(page.locator("#fw-problem")).to_contain_text("There is no clip yet")


def test_a_prompt_is_text_everywhere(opened: Callable[..., Page]) -> None:
    page = opened()
    alarms: list[str] = []
    page.on("dialog", lambda dialog: (alarms.append(dialog.message), dialog.dismiss()))
    evil = "car <img src=x onerror=alert(1)> ${alert(2)} `{{x}}`"
    edited(page, evil)
    page.get_by_text("As a command line").click()
    assert evil in page.locator("#fw-words").inner_text()
    expect(page.locator(".fw-history")).to_contain_text(evil)
    assert page.locator("#fw-history img[src=x], #fw-result img[src=x], #fw-status img[src=x]").count() == 0
    assert alarms == []


def test_an_earlier_run_fills_the_form(opened: Callable[..., Page]) -> None:
    page = opened()
    page.get_by_role("button", name="Load the settings of a red car in the snow").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a red car in the snow")
    expect(page.get_by_label("Steps", exact=True).locator("visible=true")).to_have_value("2")
    expect(page.locator("fw-wipe")).to_be_visible()


def test_the_page_recovers_when_the_server_is_started_again(
    opened: Callable[..., Page], server: AppServer
) -> None:
    page = opened()
    edited(page, "a red car on the grass")
    server.restart()
    page.reload()
    expect(said(page)).to_have_text(re.compile("^Done"))
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a red car on the grass")
    expect(page.locator(".fw-history")).to_contain_text("a red car on the grass")


@pytest.mark.parametrize("look", [DESKTOP, PHONE, {"color_scheme": "dark"}], ids=["desktop", "phone", "dark"])
def test_axe_finds_nothing_serious(opened: Callable[..., Page], look: dict[str, Any]) -> None:
    page = opened(**look, bypass_csp=True)

    def findings() -> list[str]:
        found = Axe().run(page)["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        return [f"{one['id']}: {one['nodes'][0]['html']}" for one in serious]

    assert findings() == []
    page.locator(".fw-open").first.click()
    expect(page.locator("fw-wipe")).to_be_visible()
    for name in ("More prompts", "Model, adaptor and sampler", "Part of the clip: range and mask"):
        page.get_by_role("button", name=name).click()
    assert findings() == []


def test_a_phone_needs_no_scrolling_sideways(opened: Callable[..., Page]) -> None:
    page = opened(**PHONE)
    sampled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.get_by_role("button", name="Edit", exact=True)).to_be_in_viewport()


def test_the_page_has_no_names_for_programs(server: AppServer) -> None:
    with urlopen(f"{server.address}/gradio_api/info") as answer:
        assert json.load(answer) == {"named_endpoints": {}, "unnamed_endpoints": {}}


def test_what_is_painted_is_edited_and_nothing_else(opened: Callable[..., Page], server: AppServer) -> None:
    page = opened()
    sampled(page)
    page.get_by_role("button", name="Part of the clip: range and mask").click()
    number(page, "number input for Last frame", 2)
    page.get_by_role("button", name="Paint a mask on the first frame").click()
    canvas = page.locator("fw-mask canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.15 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    page.mouse.up()
    number(page, "Steps", 2)
    page.get_by_label("Prompt", exact=True).fill("a dog in front of hills")
    page.get_by_role("button", name="Edit", exact=True).click()
    server.wait("a dog in front of hills", "done")
    job = server.job("a dog in front of hills")
    source, made = (next(read_frames(path)).pixels.astype(int) for path in (job.asked.video, job.results[0]))
    changed = np.abs(made - source).max(2)
    assert changed[30:34, 10:18].mean() > 20  # where it was painted
    assert changed[:, 40:].mean() < 6  # the coding of the file


def test_edited_frames_lead_the_others(
    opened: Callable[..., Page], server: AppServer, tmp_path: Path
) -> None:
    page = opened()
    sampled(page)
    first = next(read_frames(samples()[0].path)).pixels
    Image.fromarray(255 - first).save(tmp_path / "edited.png")
    page.get_by_role("button", name="Frames that you have edited").click()
    page.locator("#fw-anchor-file input").set_input_files(tmp_path / "edited.png")
    expect(page.get_by_label("Which frames they are")).to_have_value(re.compile(r"^1: edited-\w+\.png$"))
    expect(page.get_by_label("Editor", exact=False).first).to_have_value("anchored")
    number(page, "Steps", 2)
    page.get_by_label("Prompt", exact=True).fill("a negative of a car")
    page.get_by_role("button", name="Edit", exact=True).click()
    server.wait("a negative of a car", "done")
    made = next(read_frames(server.job("a negative of a car").results[0])).pixels
    assert np.abs(made.astype(int) - (255 - first)).mean() < 6  # the coding of the file


def test_an_adaptor_is_trained_in_the_form_and_edits(opened: Callable[..., Page], server: AppServer) -> None:
    page = opened()
    sampled(page)
    page.get_by_role("button", name="Train an adaptor on this clip").click()
    page.get_by_label("What the clip shows").fill("a blue gizmo in the snow")
    number(page, "Steps at most", 2)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("button", name="Use it in the form")).to_be_visible()
    page.get_by_role("button", name="Use it in the form").click()
    edited(page, "a red gizmo in the snow")
    job = server.job("a red gizmo in the snow")
    (trained,) = (one for one in server.desk.history() if one.kind == "train")
    assert f"--adaptor {trained.results[0]}" in " ".join(job.asked.words)


def test_the_clip_plays_as_long_as_its_edit(opened: Callable[..., Page], server: AppServer) -> None:
    """Frames of the source beside none of the edit would be compared with its last one."""
    options = EditOptions(frames=2, steps=2, device="cpu")
    server.desk.submit(samples()[0].path, ["a short edit"], options)
    server.wait("a short edit", "done")
    page = opened()
    page.locator(".fw-open", has_text="a short edit").click()
    expect(page.locator("#fw-status")).to_be_in_viewport()
    expect(page.locator("fw-wipe .count")).to_have_text(re.compile(r"^[12] / 2$"))
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="One frame on").click()
    page.get_by_role("button", name="One frame on").click()
    expect(page.locator("fw-wipe .count")).to_have_text(re.compile(r"^[12] / 2$"))
    held = "document.querySelector('fw-wipe').shadowRoot"
    stage, video = (
        page.evaluate(f"{held}.querySelector('{one}').clientWidth") for one in (".stage", "video")
    )
    tall = page.evaluate(f"{held}.querySelector('.stage').clientHeight")
    assert stage == video and abs(stage - tall) <= 1  # a square clip: the border's way is the picture's width


def test_what_is_said_comes_into_view(opened: Callable[..., Page]) -> None:
    page = opened(**PHONE)
    sampled(page)
    page.get_by_role("button", name="Train an adaptor on this clip").click()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("alert")).to_be_in_viewport()
    page.get_by_label("What the clip shows").last.fill("a blue gizmo in the snow")
    number(page, "Steps at most", 1)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(said(page)).to_be_in_viewport()


def test_two_earlier_results_are_compared(opened: Callable[..., Page]) -> None:
    edited(opened(), "a red car in the snow, once")
    page = opened()
    edited(page, "a red car in the snow, twice")
    expect(page.locator("fw-wipe .name.right")).to_contain_text("twice")
    left = page.locator("fw-wipe select[data-do=left]")
    (earlier,) = (title for title in left.locator("option").all_text_contents() if "once" in title)
    left.select_option(label=earlier)
    expect(page.locator("fw-wipe .name.left")).to_contain_text("once")
    sides = "[...document.querySelector('fw-wipe').shadowRoot.querySelectorAll('video')]"
    page.wait_for_function(f"{sides}.every((one) => one.videoWidth === 64)")
    assert len(set(page.evaluate(f"{sides}.map((one) => one.currentSrc)"))) == 2


def test_all_editors_are_compared(opened: Callable[..., Page], server: AppServer) -> None:
    page = opened()
    page.get_by_role("button", name="LoRAs, ControlNets, steadier results").click()
    page.get_by_label("Compare all editors").check()
    edited(page, "a blue car on the sand")
    right = page.locator("fw-wipe select[data-do=right]")
    expect(right.locator("option", has_text="comparison")).to_be_attached()
    titles = right.locator("option").all_text_contents()
    assert titles[:2] == ["source", "comparison"] and titles.count("source") == 1
    assert {*names()} < {*titles}


def uploaded(page: Page, video: Path) -> None:
    page.locator("#fw-clip-file input[type=file]").set_input_files(str(video))
    expect(page.locator(".fw-facts")).to_contain_text(video.name)


def test_what_is_wrong_is_seen(opened: Callable[..., Page]) -> None:
    """Also what Gradio itself refuses, before any handler of ours."""
    page = opened()
    sampled(page)
    page.get_by_label("Prompt", exact=True).fill("a red car in the snow")
    number(page, "Steps", 0)
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(page.locator("#fw-problem")).to_contain_text("Steps is 0, expected at least 1")

    def beyond(route: Route) -> None:
        """As from a browser that lets numbers through that the control does not have."""
        asked = json.loads(route.request.post_data or "{}")
        asked["data"] = [99 if one == 24 else one for one in asked.get("data", [])]  # the last frame
        route.continue_(post_data=json.dumps(asked))

    page.route("**/run/predict", beyond)
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(page.locator(".fw-told")).to_contain_text("99 is greater than maximum value 24")


def test_a_clip_takes_nothing_from_the_one_before(opened: Callable[..., Page], tmp_path: Path) -> None:
    """Neither a sample's caption nor a mask file."""
    page = opened()
    sampled(page)
    page.get_by_role("button", name="More prompts").click()
    page.get_by_role("button", name="Part of the clip: range and mask").click()
    says = page.get_by_label("What the clip shows").first
    expect(says).to_have_value("a blue car in the snow")
    Image.new("L", (64, 64), 255).save(tmp_path / "mine.png")
    mask = page.locator(".fw-drop").filter(has_text="mask file")
    mask.locator("input[type=file]").set_input_files(str(tmp_path / "mine.png"))
    expect(page.locator("fw-mask")).to_have_count(1)
    video = write_video(tmp_path / "clip.m2ts", colour_ramp(3, (48, 32)))
    uploaded(page, video)
    expect(says).to_have_value("")
    expect(page.locator("fw-mask")).to_have_count(0)
    expect(mask.locator("input[type=file]")).to_have_count(1)  # empty again
    sampled(page)
    says.fill("colours that slide")
    uploaded(page, write_video(tmp_path / "other.mp4", colour_ramp(3, (48, 32))))
    expect(says).to_have_value("colours that slide")  # what the user wrote stays


def test_a_mask_that_is_a_video_can_be_removed(opened: Callable[..., Page], tmp_path: Path) -> None:
    page = opened()
    sampled(page)
    page.get_by_role("button", name="Part of the clip: range and mask").click()
    mask = page.locator(".fw-drop").filter(has_text="mask file")
    video = write_video(tmp_path / "mask.mp4", colour_ramp(24, (64, 64)))
    mask.locator("input[type=file]").set_input_files(str(video))
    expect(page.locator("#fw-mask")).to_contain_text("The mask is the video")
    page.get_by_role("button", name="Remove the mask").click()
    expect(page.locator("#fw-mask")).not_to_contain_text("The mask is the video")
    expect(mask.locator("input[type=file]")).to_have_count(1)


def test_edit_waits_for_strokes(opened: Callable[..., Page], server: AppServer) -> None:
    """Pressed at once, it would take the mask of before; and each stroke waits for the one before it."""
    page = opened()
    sampled(page)
    number(page, "Steps", 1)
    page.get_by_label("Prompt", exact=True).fill("a dog on two places")
    page.get_by_role("button", name="Part of the clip: range and mask").click()
    page.get_by_role("button", name="Paint a mask on the first frame").click()
    canvas = page.locator("fw-mask canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    for share in (0.2, 0.5, 0.8):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.55 * box["height"])
        page.mouse.up()
    assert page.evaluate("document.body.classList.contains('fw-waits')")
    page.get_by_role("button", name="Edit", exact=True).click()
    server.wait("a dog on two places", "done")
    options = server.job("a dog on two places").asked.options
    assert isinstance(options, EditOptions) and options.mask is not None
    mask = np.asarray(Image.open(options.mask).convert("L")) > 127
    rows, columns = mask.shape
    assert all(mask[rows // 2, int(share * columns)] for share in (0.2, 0.5, 0.8))
    assert not mask[rows // 2, int(0.35 * columns)]


def test_a_source_that_is_gone_is_told(opened: Callable[..., Page], server: AppServer) -> None:
    page = opened()
    edited(page, "a red car in the snow")
    video = server.desk.history()[0].asked.video
    moved = video.rename(video.with_name("elsewhere.mp4"))
    page.reload()
    try:
        left = "document.querySelector('fw-wipe')?.shadowRoot.querySelector('.name.left').textContent"
        page.wait_for_function(f"() => {left} === 'source: no longer there'")
    finally:
        moved.rename(video)
