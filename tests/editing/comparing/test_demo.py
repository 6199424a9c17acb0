"""The demo on the packaged model, shortened."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from axe_core_python.sync_playwright import Axe

from browser import chromium
from frameweave.adaptor.adaptor import load_adaptor
from frameweave.editing.comparing.demo import EDITS, demo
from frameweave.editing.comparing.demo_page import flicker
from frameweave.editing.options import DemoOptions
from frameweave.editors.registry import make
from frameweave.editors.running import edit_clip
from frameweave.models.loading.load import load
from frameweave.progress import Notes
from frameweave.runs.run import read_run
from frameweave.video import probe
from frameweave.video.clip import Clip
from frameweave.world.clips import held_out_clips, stranger_clip

SHORT = {"frames": 2, "steps": 2}
TASKS = [
    (one, on) for one in EDITS for on in (False, True) if not on or one.strange or one.editor == "vidtome"
]
"""Edits without and with an adaptor: of home clips only VidToMe has one."""


class Stopped(Exception):
    pass


class Stopping(Notes):
    """Ends the work as soon as so many videos are written, and keeps the loops that it is told of."""

    def __init__(self, after: int | None = None) -> None:
        super().__init__()
        self.after, self.loops = after, list[tuple[str, int | None]]()

    def track(self, items: Iterable, what: str, total: int | None = None) -> Iterator:
        self.loops.append((what, total))
        yield from items

    def note(self, text: str) -> None:
        super().note(text)
        if sum("wrote" in one for one in self.texts) == self.after:
            raise Stopped


def data_of(page: Path) -> dict:
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("demo") / "run"
    notes = Stopping(3)
    with pytest.raises(Stopped):
        demo(DemoOptions(**SHORT, out=folder), progress=notes)
    early = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.mp4")}
    assert {one.file(with_adaptor=False) for one in EDITS[:2]} <= early.keys() and not (
        folder / "report.html"
    ).exists()
    assert re.search(
        rf"^{len(TASKS)} edits of bundled clips of 2 frames; this takes about [\d.]+ ", notes.texts[0]
    )
    again = Stopping()
    assert demo(DemoOptions(**SHORT, out=folder), progress=again) == folder / "report.html"
    assert again.texts[0].startswith(f"{len(TASKS) - 3} edits")
    assert again.loops == [("percent of the demo", 100)]
    kept = [one.file(with_adaptor=on) for one, on in TASKS[:3]]
    assert all((folder / name).stat().st_mtime_ns == early[name] for name in kept)
    yield folder


def test_it_writes_every_video_and_one_page(folder: Path) -> None:
    names = [one.file(with_adaptor=on) for one, on in TASKS]
    names += [name for one in EDITS for name in (one.source, one.truth)]
    assert all(probe(folder / name).frames == 2 for name in names)
    assert {path.name for path in folder.glob("*.mp4")} == set(names)
    assert read_run(folder).result["report"] == "report.html"
    notes = Notes()
    assert demo(DemoOptions(**SHORT, out=folder), progress=notes) == folder / "report.html"
    assert notes.texts == ["this demo is finished already; --overwrite makes it anew"]


def test_the_page_holds_each_picture_once(folder: Path) -> None:
    data = data_of(folder / "report.html")
    urls = [picture["url"] for picture in data["pictures"]]
    assert len(urls) == len(set(urls)) == len(list(folder.glob("*.mp4")))
    assert data["left"] == "source"
    for clip, one in zip(data["clips"], EDITS, strict=True):
        titles = [panel["title"] for panel in clip["panels"]]
        with_it = [f"{one.editor} + adaptor"] if (one, True) in TASKS else []
        assert titles == ["source", one.editor, *with_it, "true edit"]
        assert all(re.fullmatch(r"flicker \d+\.\d", panel["line"]) for panel in clip["panels"][1:])
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="(?!data:)', text)
    assert text.count("<img") == 0 and text.count("<video") == 0


def test_the_edits_are_the_library_s(folder: Path) -> None:
    """Without an adaptor, and with the one for the clip."""
    model = load("miniature")
    for one, on in TASKS[2:]:
        clip = stranger_clip() if one.strange else held_out_clips()[0]
        editor = make(one.editor, {"steps": 2, **one.settings})
        adaptor = load_adaptor("strangers" if one.strange else "miniature")
        with adaptor.on(model, adaptor.use(one.editor)) if on else nullcontext(model) as acting:
            made = edit_clip(
                editor,
                Clip.read(clip.path, frames=2),
                "a cartoon of a red rabbit in the snow" if one.strange else "a red car in the snow",
                acting,
                source_prompt=clip.caption,
                rng=torch.Generator().manual_seed(0),
            )
        made.write(folder / "expected.mp4")
        assert (folder / "expected.mp4").read_bytes() == (folder / one.file(with_adaptor=on)).read_bytes()
        (folder / "expected.mp4").unlink()


def test_flicker_is_the_change_along_the_motion() -> None:
    """A still clip, so that the motion is none: the change from frame to frame, in levels of 255."""
    still = (
        torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0)).expand(4, -1, -1, -1) * 0.5 + 0.2
    )
    flickering = still + torch.tensor([0.0, 0.1, 0.0, 0.1]).view(4, 1, 1, 1)
    assert flicker(still, still) == 0
    assert flicker(still, flickering) == pytest.approx(25.5, rel=0.01)


def test_the_page_in_a_browser(folder: Path) -> None:
    """A slice puts its clip on the right of the border; nothing is fetched; axe finds nothing."""
    faults: list[str] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        page.goto((folder / "report.html").as_uri())
        assert page.input_value("#left") == "source"
        for editor in page.locator("#editor option").all_text_contents():
            page.select_option("#editor", editor)
            assert page.input_value("#right").startswith(editor)  # what was made, and not what is asked for
        page.locator("#players figure", has_text="true edit").locator(".slice").click()
        assert page.input_value("#right") == "true edit"
        page.select_option("#editor", "vidtome")
        assert page.input_value("#right") == "vidtome + adaptor"
        assert page.locator("#prompt").text_content() == "a red car in the snow"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        found = Axe().run(page)["violations"]
    assert faults == [] and [one["id"] for one in found] == []
