"""The example editor of the documentation, as a package of its own: one file, and every command has it."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Generator
from pathlib import Path

import pytest
import torch

from frameweave.cli.editors import editors
from frameweave.editing.comparing.compare import compare
from frameweave.editing.edit import edit
from frameweave.editing.inputs import given_to_edit
from frameweave.editing.options import EditOptions
from frameweave.editors import registry
from frameweave.editors.own import GROUP, own_names
from frameweave.editors.running import edit_clip
from frameweave.errors import InputError, RunError
from frameweave.measuring.bench.editing import editing_row
from frameweave.measuring.grid import grid
from frameweave.measuring.options import GridOptions
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.runs.run import read_run
from frameweave.runs.settings import Settings
from frameweave.video import probe
from frameweave.video.clip import Clip
from networks import assert_same, networks
from videos import colour_ramp, write_video

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "first_frame"
MODULE = EXAMPLE / "first_frame.py"
POINTS = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]["entry-points"]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path, None, None]:
    """A folder of installed packages, which is empty at first; editors are looked for anew."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    registry._plugged.cache_clear()  # pyright: ignore[reportPrivateUsage]
    yield folder
    registry._plugged.cache_clear()  # pyright: ignore[reportPrivateUsage]
    for module in folder.glob("*.py"):
        sys.modules.pop(module.stem, None)


@pytest.fixture
def first_frame(site: Path) -> None:
    install(site, "first_frame", MODULE.read_text(), POINTS[GROUP])


def install(site: Path, name: str, text: str, points: dict[str, str]) -> None:
    """What pip leaves behind: the module, and beside it what the package says of itself."""
    (site / f"{name}.py").write_text(text)
    about = site / f"{name}-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    lines = [f"{point} = {value}" for point, value in points.items()]
    (about / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))


def edited(name: str, clip: Clip, model: StableDiffusion, **settings: object) -> torch.Tensor:
    editor = registry.make(name, {"steps": 3, "guidance": 3.0} | settings)
    rng = torch.Generator().manual_seed(0)
    return edit_clip(editor, clip, "a red car", model, source_prompt="a blue car", rng=rng).frames


def test_only_public_names_are_imported() -> None:
    lines = [line.split() for line in MODULE.read_text().splitlines()]
    modules = {line[1] for line in lines if line[:1] in (["from"], ["import"])}
    assert modules == {"torch", "frameweave.api"}


def test_every_command_has_it(
    first_frame: None, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    editors((), Settings())
    assert "DDIM inversion, then sampling" in " ".join(capsys.readouterr().out.split())
    editors(("first_frame",), Settings())
    listed = capsys.readouterr().out
    assert "first_frame: DDIM inversion, then sampling" in listed
    assert "Frames that neighbouring windows share." in listed

    video = write_video(tmp_path / "a.mp4", colour_ramp(3, (32, 32)), fps=6)
    options = EditOptions(
        model=str(tiny_folder),
        device="cpu",
        steps=1,
        frames=3,
        out=tmp_path / "run",
        cache=tmp_path / "cache",
    )
    asked = options.replaced(editor="first_frame", set=("context_length=2", "context_overlap=1"))
    (done,) = edit(video, ["a red car"], asked)
    assert probe(done.video).frames == 3
    assert read_run(asked.out).settings["editor"] == "first_frame"

    compare(video, "a red car", options.replaced(out=tmp_path / "compared"))
    assert "first_frame" in read_run(tmp_path / "compared").result["panels"]

    small = GridOptions(clips=1, frames=2, steps=1, editors=("first_frame",), arms=(), workers=0)
    assert grid(None, small.replaced(out=tmp_path / "grid")).failed == {}
    cells = [json.loads(line) for line in (tmp_path / "grid" / "cells.jsonl").read_text().splitlines()]
    assert "first_frame" in {cell["editor"] for cell in cells}


def test_bench_measures_it(first_frame: None, tiny: StableDiffusion) -> None:
    assert "first_frame" in registry.names()  # the rows of `bench` are over these
    row = editing_row(tiny, "first_frame", {}, steps=2, frames=3, repeats=1)
    assert row.figure == "first_frame: edit over its 18 bare frame-forwards"  # 2 steps x 3 frames x (1 + 2)


def test_the_network_is_left_as_it_was(first_frame: None, clip: Clip, tiny: StableDiffusion) -> None:
    before = networks(tiny)
    first = edited("first_frame", clip, tiny)
    assert_same(before, networks(tiny))
    assert torch.equal(first, edited("first_frame", clip, tiny))


def test_it_does_what_it_says(first_frame: None, clip: Clip, tiny: StableDiffusion) -> None:
    """The first frame twice is the same softmax: where all frames are equal, it is framewise."""
    still = clip.first(3).with_frames(clip.frames[:1].expand(3, -1, -1, -1))
    assert float((edited("first_frame", still, tiny) - edited("framewise", still, tiny)).abs().max()) < 1e-4
    alone = edited("framewise", clip, tiny)
    apart = (edited("first_frame", clip, tiny, context_length=16) - alone).abs().amax((1, 2, 3))
    assert float(apart[0]) < 1e-4 < float(apart[1:].min())
    windows = (
        (edited("first_frame", clip, tiny, context_length=2, context_overlap=0) - alone).abs().amax((1, 2, 3))
    )
    assert float(windows[0]) < 1e-4 < float(windows[1])


def test_a_package_that_cannot_be_imported_is_one_line(site: Path, tmp_path: Path) -> None:
    install(site, "first_frame", MODULE.read_text(), POINTS[GROUP])
    install(site, "broken", "raise RuntimeError('two\\nlines')", {"broken": "broken:Broken"})
    paths = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "frameweave", "editors", "--json"],
        env=os.environ | {"PYTHONPATH": paths},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    listed = {line["editor"]: line["settings"] for line in map(json.loads, done.stdout.splitlines())}
    assert {"framewise", "first_frame"} <= set(listed) and "broken" not in listed
    assert listed["first_frame"]["properties"]["context_length"]["minimum"] == 1
    said = "broken:Broken cannot be imported (RuntimeError: two lines)"
    assert done.stderr.splitlines() == [f"the editor broken is left out: {said}"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nothing_of_that_name", "cannot be imported .*nothing_of_that_name"),
        ("raise SystemExit('no licence')", "cannot be imported .*no licence"),
        ("Other = int", "odd:Other is no frameweave Editor"),
        (
            "from frameweave.api import Editor\nclass Other(Editor): pass",
            "is no frameweave Editor with an edit",
        ),
        (
            "from frameweave.api import Editor\n"
            "class Other(Editor):\n    style: str\n    def edit(self, request): return request.x_0",
            "an Editor that cannot be made by its defaults .*style",
        ),
    ],
)
def test_what_cannot_be_used_is_left_out(
    site: Path, caplog: pytest.LogCaptureFixture, text: str, reason: str
) -> None:
    install(site, "odd", text, {"odd": "odd:Other"})
    assert registry.load("framewise").__name__ == "Framewise"
    assert not caplog.records, "our own editors are had without a look at others"
    with pytest.raises(InputError, match="unknown editor 'odd'"):
        registry.load("odd")
    assert registry.names() == own_names()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert re.search(reason, record.getMessage())


def test_no_package_takes_a_name_of_ours(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    install(site, "imposter", MODULE.read_text(), {"framewise": "imposter:FirstFrame"})
    assert registry.load("framewise").__name__ == "Framewise"
    assert registry.names().count("framewise") == 1
    assert "framewise is left out: the name of imposter:FirstFrame is taken" in caplog.text


ODD = """
import numpy as np
from frameweave.api import Editor

class Failing(Editor):
    def edit(self, request):
        raise ValueError("two\\nlines")

class Other(Editor):
    def edit(self, request):
        return np.zeros(request.x_0.shape)
"""


def test_what_an_editor_of_others_does_wrong_is_told(site: Path, clip: Clip, tiny: StableDiffusion) -> None:
    install(site, "odd", ODD, {"failing": "odd:Failing", "other": "odd:Other"})
    prompts = {"source_prompt": "a blue car", "rng": torch.Generator()}
    with pytest.raises(RunError, match=r"the editor failing failed: .*two lines.*; tell its authors"):
        edit_clip(registry.make("failing", {}), clip, "a red car", tiny, **prompts)
    with pytest.raises(InputError, match="other gives ndarray, expected latents of"):
        edit_clip(registry.make("other", {}), clip, "a red car", tiny, **prompts)


def test_another_version_of_a_package_makes_other_edits(
    first_frame: None, site: Path, tmp_path: Path
) -> None:
    """Of a grid, and of a run with the same folder."""
    small = GridOptions(clips=1, frames=2, steps=1, editors=("first_frame",), arms=(), workers=0)
    asked = small.replaced(out=tmp_path / "grid", cells=tmp_path / "cells")
    grid(None, asked)
    before = len(list((tmp_path / "cells").iterdir()))
    assert registry.package_of("first_frame") == "first_frame 1" and registry.package_of("delta") == ""
    options = EditOptions(editor="first_frame")
    given = given_to_edit(tmp_path / "site" / "first_frame.py", ["a car"], options)
    about = site / "first_frame-1.dist-info" / "METADATA"
    about.write_text(about.read_text().replace("Version: 1", "Version: 2"))
    registry._plugged.cache_clear()  # pyright: ignore[reportPrivateUsage]
    assert given != given_to_edit(tmp_path / "site" / "first_frame.py", ["a car"], options)
    grid(None, asked.replaced(out=tmp_path / "again"))
    assert len(list((tmp_path / "cells").iterdir())) == before + 1  # the references are no editor's


def test_our_own_editors_are_edited_with_without_a_look_at_others(
    site: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    install(site, "odd", "raise SystemExit('no licence')", {"odd": "odd:Other"})
    assert registry.package_of("delta") == ""
    given_to_edit(write_video(tmp_path / "a.mp4", colour_ramp(2, (32, 32))), ["a car"], EditOptions())
    assert not caplog.records
