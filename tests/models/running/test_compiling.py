"""A compiled UNet does whatever is put on it; graphs are captured and run as they are, without a compiler."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path

import pytest
import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor

from frameweave.adaptor.adaptor import Adaptor
from frameweave.editors import registry
from frameweave.editors.running import edit_clip
from frameweave.errors import InputError
from frameweave.models.loading.load import load
from frameweave.models.norms import over_frames
from frameweave.models.running import compiling
from frameweave.models.running.compiling import check_compiler, compile_parts
from frameweave.models.seam import Model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from tiny import prediction

CPU = torch.device("cpu")

Ran = list[torch.fx.GraphModule]


@pytest.fixture
def ran() -> Ran:
    """Graphs in the order in which they ran."""
    torch.compiler.reset()
    return []


def keeping(ran: Ran, graph: torch.fx.GraphModule, _inputs: object) -> Callable[..., object]:
    def run(*values: object) -> object:
        ran.append(graph)
        return graph.forward(*values)

    return run


def compiled_by(ran: Ran, model: StableDiffusion) -> StableDiffusion:
    for network in (model.unet, *(control.network for control in model.controls)):
        compile_parts(network, backend=partial(keeping, ran))
    return model


@pytest.fixture
def compiled(tiny_folder: Path, ran: Ran) -> StableDiffusion:
    return compiled_by(ran, load(str(tiny_folder), device="cpu"))


def edited(model: Model, clip: Clip, name: str) -> Tensor:
    editor = registry.make(name, {"steps": 2, "guidance": 3.0})
    rng = torch.Generator().manual_seed(0)
    depth = {"depth": torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(2))}
    maps = depth if editor.needs_depth else {}
    few = clip.first(3)
    return edit_clip(editor, few, "a red car", model, source_prompt="a blue car", rng=rng, maps=maps).frames


def twice(_module: torch.nn.Module, _inputs: object, y: Tensor) -> Tensor:
    return 2 * y


KINDS = ("framewise", "text2video_zero", "tokenflow", "vidtome", "flatten", "vid2vid_zero")
"""One editor for each change to the UNet: none, joint attention, injection, merging, trajectories, text."""


@pytest.mark.parametrize("name", KINDS)
def test_editors_give_the_same(
    name: str, compiled: StableDiffusion, ran: Ran, tiny: StableDiffusion, adaptor: Adaptor, clip: Clip
) -> None:
    bare, plain = prediction(tiny.unet, 900.0), edited(tiny, clip, name)
    assert torch.equal(edited(compiled, clip, name), plain)
    assert ran, "something was compiled"
    assert torch.equal(prediction(compiled.unet, 900.0), bare), "nothing of the editor is left in the graphs"
    assert torch.equal(edited(compiled, clip, name), plain), "the second time, too"
    use = adaptor.use(strength=1.0, window=(0.2, 1.0))
    with adaptor.on(tiny, use) as adapted:
        expected = edited(adapted, clip, name)
    assert not torch.allclose(expected, plain, atol=1e-4)
    for _ in range(2):
        with adaptor.on(compiled, use) as adapted:
            assert torch.equal(edited(adapted, clip, name), expected)
    assert torch.equal(edited(compiled, clip, name), plain)
    assert torch.equal(prediction(compiled.unet, 900.0), bare)


def test_the_adaptor_is_seen(compiled: StableDiffusion, tiny: StableDiffusion, adaptor: Adaptor) -> None:
    bare = prediction(tiny.unet, 900.0)
    assert torch.equal(prediction(compiled.unet, 900.0), bare)
    for strength in (0.5, 1.0):
        use = adaptor.use(strength=strength, window=(0.2, 1.0))
        for t in (900.0, 100.0, 900.0):
            with adaptor.on(tiny, use):
                expected = prediction(tiny.unet, t)
            with adaptor.on(compiled, use):
                assert torch.equal(prediction(compiled.unet, t), expected)
        assert not torch.allclose(expected, bare, atol=1e-3)
    assert torch.equal(prediction(compiled.unet, 900.0), bare)


def test_a_part_that_is_changed_runs_as_it_is(compiled: StableDiffusion, ran: Ran) -> None:
    unet = compiled.unet
    bare, blocks = prediction(unet, 5.0), [one for one in unet.modules() if isinstance(one, ResnetBlock2D)]
    first = len(ran)
    hooks = [block.register_forward_hook(twice) for block in blocks]
    assert not torch.allclose(prediction(unet, 5.0), bare)
    assert 0 < len(ran) - first == first - len(blocks), "only the feed-forward layers"
    for hook in hooks:
        hook.remove()
    with over_frames(unet, 2):
        assert not torch.allclose(prediction(unet, 5.0), bare)
    assert torch.equal(prediction(unet, 5.0), bare)


def test_gradients_are_the_same(compiled: StableDiffusion, tiny: StableDiffusion, ran: Ran) -> None:
    found: list[Tensor] = []
    for unet in (tiny.unet, compiled.unet):
        text = torch.ones(1, 4, unet.config["cross_attention_dim"], requires_grad=True)
        x = torch.ones(1, unet.config["in_channels"], 8, 8)
        unet(x, 5.0, text, return_dict=False)[0].square().sum().backward()
        assert text.grad is not None
        found.append(text.grad)
    assert not ran
    assert found[0].any()
    assert torch.equal(*found)


def test_sdxl_is_compiled(tiny_xl: StableDiffusion, tiny_xl_folder: Path, ran: Ran, clip: Clip) -> None:
    compiled = compiled_by(ran, load(str(tiny_xl_folder), device="cpu"))
    assert torch.equal(edited(compiled, clip, "framewise"), edited(tiny_xl, clip, "framewise"))
    assert ran


def test_copies_are_not_compiled(compiled: StableDiffusion, ran: Ran) -> None:
    expected = prediction(compiled.unet, 5.0)
    before = len(ran)
    assert torch.equal(prediction(deepcopy(compiled.unet), 5.0), expected)
    assert len(ran) == before


def test_it_is_compiled_where_it_is_asked_for(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, ran: Ran
) -> None:
    asked = "frameweave.models.running.asked."
    monkeypatch.setattr(asked + "check_compiler", lambda device: None)
    monkeypatch.setattr(asked + "compile_parts", partial(compile_parts, backend=partial(keeping, ran)))
    model = load(str(tiny_folder), device="cpu", compile=True, low_memory=True)
    prediction(model.unet, 5.0)
    assert ran


def test_a_missing_compiler_is_told(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    monkeypatch.setattr(compiling, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs a C\+\+ compiler, .*; install one, such as g\+\+"):
        load(str(tiny_folder), device="cpu", compile=True)
    with pytest.raises(InputError, match="needs triton on a GPU"):
        check_compiler(torch.device("cuda"))


def test_a_compiler_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_function: object) -> Callable[..., object]:
        def call(x: Tensor) -> object:
            raise RuntimeError("Python.h: no such file\nmore of it")

        return call

    monkeypatch.setattr(torch, "compile", fails)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: name)
    with pytest.raises(
        InputError, match=r"torch cannot compile for cpu here \(Python.h: no such file\); leave"
    ):
        check_compiler(CPU)
