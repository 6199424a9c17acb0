"""The nodes for ComfyUI, loaded and called as ComfyUI does it."""

import importlib.util
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

import comfy_stub
from comfy_stub import CORE, Running, check, of_class
from frameweave.api import (
    Clip,
    InputError,
    ModelFolderError,
    edit_clip,
    load_adaptor,
    load_editor,
    load_model,
)
from frameweave.video.motion.motion import motion_of
from frameweave.video.motion.steady import Steady
from frameweave.world.clips import held_out_clips

FOLDER = Path(__file__).parents[2] / "integrations/comfyui"
NAMES = ("FrameweaveEdit", "FrameweaveAdaptor", "FrameweaveSteady")
ASKED = {"prompt": "a red car in the snow", "model": "miniature", "editor": "framewise", "steps": 2}


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Running:
    return comfy_stub.installed(monkeypatch)


@pytest.fixture
def nodes(running: Running, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The folder as a package, whose name ComfyUI makes of its path."""
    name = str(FOLDER).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, FOLDER / "__init__.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    yield module
    for one in [one for one in sys.modules if one.startswith(f"{name}.")]:
        del sys.modules[one]


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Two frames as ComfyUI holds them: B H W C."""
    return Clip.read(held_out_clips()[0].path, frames=2).frames.permute(0, 2, 3, 1).contiguous()


def called(nodes: ModuleType, name: str, given: Mapping[str, Any]) -> tuple[Any, ...]:
    """A node's outputs: defaults for what is not given, in the mode in which ComfyUI calls nodes."""
    kind = nodes.NODE_CLASS_MAPPINGS[name]
    asked = {}
    for table in kind.INPUT_TYPES().values():
        for key, (_, *more) in table.items():
            if more and "default" in more[0]:
                asked[key] = more[0]["default"]
    with torch.inference_mode():
        made = {key: value.clone() if isinstance(value, Tensor) else value for key, value in given.items()}
        return getattr(kind(), kind.FUNCTION)(**asked | made)


def test_the_nodes_keep_the_interface(nodes: ModuleType) -> None:
    assert tuple(nodes.NODE_CLASS_MAPPINGS) == NAMES
    assert nodes.NODE_DISPLAY_NAME_MAPPINGS.keys() == nodes.NODE_CLASS_MAPPINGS.keys()
    for kind in nodes.NODE_CLASS_MAPPINGS.values():
        asked = kind.INPUT_TYPES()
        assert "required" in asked and asked.keys() <= {"required", "optional", "hidden"}
        for table in asked.values():
            for given, about in table.values():
                assert isinstance(given, str) or (isinstance(given, list) and given)
                if isinstance(given, list):
                    assert about.get("default", given[0]) in given
                elif "default" in about:
                    assert isinstance(about["default"], comfy_stub.NUMBERS[given])
        assert isinstance(kind.RETURN_TYPES, tuple) and len(kind.RETURN_NAMES) == len(kind.RETURN_TYPES)
        assert callable(getattr(kind, kind.FUNCTION)) and kind.CATEGORY == "Frameweave"


def test_the_example_is_a_valid_workflow(nodes: ModuleType) -> None:
    known = CORE | {name: of_class(kind) for name, kind in nodes.NODE_CLASS_MAPPINGS.items()}
    workflow = json.loads((FOLDER / "workflow.json").read_text(encoding="utf-8"))
    assert check(workflow, known) == []
    assert {*NAMES} <= {node["class_type"] for node in workflow.values()}


def test_an_edit_is_the_library_s(nodes: ModuleType, running: Running, images: Tensor) -> None:
    (made,) = called(nodes, "FrameweaveEdit", {"images": images, **ASKED})
    clip = Clip.of(images.permute(0, 3, 1, 2))
    editor = load_editor("framewise")(steps=2, guidance=7.5)
    rng = torch.Generator().manual_seed(0)
    expected = edit_clip(editor, clip, ASKED["prompt"], load_model("miniature"), rng=rng).frames
    assert torch.equal(made, expected.clamp(0, 1).permute(0, 2, 3, 1))
    assert running.bars and all(bar[-1][0] == bar[-1][1] for bar in running.bars)


def test_an_adaptor_acts_as_it_says(nodes: ModuleType, images: Tensor) -> None:
    (adaptor,) = called(nodes, "FrameweaveAdaptor", {})
    asked = {"images": images, **ASKED, "editor": "tokenflow"}
    (made,) = called(nodes, "FrameweaveEdit", {**asked, "adaptor": adaptor})
    (without,) = called(nodes, "FrameweaveEdit", asked)
    model, known = load_model("miniature"), load_adaptor("miniature")
    editor = load_editor("tokenflow")(steps=2, guidance=7.5)
    with known.on(model, known.use("tokenflow")) as adapted:
        clip, rng = Clip.of(images.permute(0, 3, 1, 2)), torch.Generator().manual_seed(0)
        expected = edit_clip(editor, clip, ASKED["prompt"], adapted, rng=rng).frames
    assert torch.equal(made, expected.clamp(0, 1).permute(0, 2, 3, 1))
    assert not torch.equal(made, without)
    (silent,) = called(nodes, "FrameweaveAdaptor", {"strength": 0.0, "tokens": "off"})
    assert torch.equal(called(nodes, "FrameweaveEdit", {**asked, "adaptor": silent})[0], without)


def test_frames_of_any_size_keep_it(nodes: ModuleType) -> None:
    """Also with transparency, which ComfyUI may hold as a fourth channel."""
    images = torch.rand(2, 45, 80, 4, generator=torch.Generator().manual_seed(0))
    (made,) = called(nodes, "FrameweaveEdit", {"images": images, **ASKED, "size": 32})
    assert made.shape == (2, 45, 80, 3) and made.dtype == torch.float32
    assert made.min() >= 0 and made.max() <= 1 and made.is_contiguous()


@pytest.mark.parametrize("editor", ["text2video_zero", "vid2vid_zero"])
def test_editors_that_need_depth_or_gradients(nodes: ModuleType, images: Tensor, editor: str) -> None:
    asked = {"images": images, **ASKED, "editor": editor, "source_prompt": "a blue car in the snow"}
    (made,) = called(nodes, "FrameweaveEdit", asked)
    assert made.shape == images.shape and made.isfinite().all()


def test_frames_edited_elsewhere_lead_the_others(nodes: ModuleType, images: Tensor) -> None:
    """They come back as they were given, whatever the size at which the others are edited."""
    asked = {"images": images, **ASKED, "editor": "anchored", "size": 32}
    given = images[1:].flip(2)
    (made,) = called(nodes, "FrameweaveEdit", {**asked, "anchors": given, "anchor_frames": "1"})
    (without,) = called(nodes, "FrameweaveEdit", asked)
    assert torch.equal(made[1], given[0])
    assert not torch.equal(made[0], without[0])


@pytest.mark.parametrize(
    ("numbers", "said"),
    [("", "0 numbers for 1"), ("0, 1", "2 numbers for 1"), ("2", "from 0 to 1"), ("first", "'first'")],
)
def test_numbers_that_fit_no_frame_are_told(
    nodes: ModuleType, images: Tensor, numbers: str, said: str
) -> None:
    asked = {"images": images, **ASKED, "editor": "anchored", "anchors": images[:1]}
    with pytest.raises(InputError, match=said):
        called(nodes, "FrameweaveEdit", {**asked, "anchor_frames": numbers})


def test_settings_are_the_editor_s(nodes: ModuleType, images: Tensor) -> None:
    asked = {"images": images, **ASKED, "editor": "delta"}
    (kept,) = called(nodes, "FrameweaveEdit", {**asked, "settings": "start_sigma = 0\n\nradius=0"})
    (changed,) = called(nodes, "FrameweaveEdit", asked)
    assert (kept - images).abs().mean() < (changed - images).abs().mean() / 2
    with pytest.raises(InputError, match=r"'radius', expected name=value"):
        called(nodes, "FrameweaveEdit", {**asked, "settings": "radius"})
    with pytest.raises(InputError, match="radiu"):
        called(nodes, "FrameweaveEdit", {**asked, "settings": "radiu=1"})


def test_a_wrong_adaptor_is_told_on_its_node(nodes: ModuleType) -> None:
    with pytest.raises(ModelFolderError, match="not there"):
        called(nodes, "FrameweaveAdaptor", {"folder": "/nowhere"})


def test_an_edit_can_be_cancelled(nodes: ModuleType, running: Running, images: Tensor) -> None:
    running.cancel_after = 1
    with pytest.raises(comfy_stub.Cancelled):
        called(nodes, "FrameweaveEdit", {"images": images, **ASKED})


def test_steadier_is_the_library_s(nodes: ModuleType) -> None:
    source = Clip.read(held_out_clips()[0].path, frames=4).frames
    noise = 0.1 * torch.randn(source.shape, generator=torch.Generator().manual_seed(0))
    edited = (source + noise).clamp(0, 1)
    given = {"edited": edited.permute(0, 2, 3, 1), "source": source.permute(0, 2, 3, 1)}
    (made,) = called(nodes, "FrameweaveSteady", given)
    expected = Steady(1.0, 2).of(edited, source, motion_of(source, 2))
    assert torch.equal(made, expected.clamp(0, 1).permute(0, 2, 3, 1))
    assert torch.equal(called(nodes, "FrameweaveSteady", {**given, "strength": 0.0})[0], given["edited"])
    with pytest.raises(InputError, match="3 frames of the source, 4 edited ones"):
        called(nodes, "FrameweaveSteady", {**given, "source": given["source"][:3]})


def test_only_the_public_face_is_imported() -> None:
    """And nothing that neither Frameweave nor ComfyUI brings."""
    roots = {"frameweave.api", "comfy.utils", "comfy.model_management", "torch", "torch.nn.functional"}
    known = {*roots, *sys.stdlib_module_names}
    for file in FOLDER.glob("*.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith(("import ", "from ")) and not line.startswith("from ."):
                module = line.split()[1]
                assert module in known or module.split(".")[0] in sys.stdlib_module_names, (
                    f"{file.name}: {line}"
                )
