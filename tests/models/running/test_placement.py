"""Parts come when they are called and go back: seen through a stub, since no test machine has a GPU."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from frameweave.editors import registry
from frameweave.editors.running import edit_clip
from frameweave.models.loading.load import load
from frameweave.models.running.asked import placed
from frameweave.models.running.placement import Placement
from frameweave.models.running.shapes import shapes_of
from frameweave.models.seam import Model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip

CPU, GPU = torch.device("cpu"), torch.device("cuda")


class Stub(Placement):
    """Notes what is moved, and moves nothing: inputs stay where they are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moves: list[tuple[str, str]] = []
        monkeypatch.setattr(
            "frameweave.models.running.placement.send_to_device", lambda given, _device: given
        )
        super().__init__(GPU)

    def add(self, group: Sequence[nn.Module]) -> None:
        for network in group:
            network.__dict__["to"] = partial(self._noted, network)
        super().add(group)

    def _noted(self, network: nn.Module, device: torch.device) -> None:
        self.moves.append((type(network).__name__, device.type))


class Told(Stub):
    """The same, and calls itself a CPU, so that what the model makes lies there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.device = CPU


def edited(model: Model, clip: Clip, editor: str) -> torch.Tensor:
    made = registry.make(editor, {"steps": 2, "guidance": 3.0})
    rng = torch.Generator().manual_seed(0)
    depth = {"depth": torch.rand(5, 1, *clip.frames.shape[2:], generator=torch.Generator().manual_seed(2))}
    maps = depth if made.needs_depth else {}
    return edit_clip(made, clip, "a red car", model, source_prompt="a blue car", rng=rng, maps=maps).frames


@pytest.mark.parametrize("editor", registry.names())
def test_low_memory_gives_the_same_bytes(
    editor: str, tiny_folder: Path, tiny: StableDiffusion, clip: Clip
) -> None:
    spared = load(str(tiny_folder), device="cpu", low_memory=True)
    assert spared.placement is None, "on the CPU nothing is moved"
    assert torch.equal(edited(spared, clip, editor), edited(tiny, clip, editor))


def test_one_group_works_at_a_time(
    tiny_folder: Path, tiny: StableDiffusion, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = Told(monkeypatch)
    model = placed(load(str(tiny_folder), device="cpu"), stub)
    assert torch.equal(edited(model, clip, "text2video_zero"), edited(tiny, clip, "text2video_zero"))
    names = [f"{name} {where}" for name, where in stub.moves]
    assert names == [
        "CLIPTextModel cpu",
        "CLIPTextModel cpu",
        "UNet2DConditionModel cpu",
        "ControlNetModel cpu",
        "UNet2DConditionModel cpu",
        "ControlNetModel cpu",
        "AutoencoderKL cpu",
    ], "there and back, once each: UNet and ControlNet do not take turns at every step"
    stub.rest()
    assert stub.moves[-1] == ("AutoencoderKL", "cpu") and len(stub.moves) == 8
    stub.rest()
    assert len(stub.moves) == 8


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda model: model.encode(torch.rand(1, 3, 32, 32)), "AutoencoderKL"),
        (lambda model: model.decode(torch.rand(1, 4, 16, 16)), "AutoencoderKL"),
        (lambda model: model.vision(torch.rand(1, 3, 32, 32)), "CLIPVisionModel"),
        (lambda model: model.conditioning(["a car"]), "CLIPTextModel"),
        (
            lambda model: model.controls[0].network.controlnet_cond_embedding(torch.rand(1, 3, 32, 32)),
            "ControlNetModel",
        ),
    ],
)
def test_every_verb_brings_what_it_needs(
    call: Callable[[StableDiffusion], object], name: str, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = Told(monkeypatch)
    call(placed(load(str(tiny_folder), device="cpu"), stub))
    assert name in [moved for moved, _ in stub.moves]


def test_the_model_says_where_it_works(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = placed(load(str(tiny_folder), device="cpu"), Stub(monkeypatch))
    assert next(model.unet.parameters()).device == CPU and model.device == GPU
    assert model.dtype == torch.float32


def test_a_model_of_shapes_is_moved_nowhere(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = Told(monkeypatch)
    shapes = shapes_of(placed(load(str(tiny_folder), device="cpu"), stub))
    shapes.unet(
        torch.empty(1, 4, 16, 16, device="meta"), 5.0, torch.empty(1, 4, 16, device="meta"), return_dict=False
    )
    assert stub.moves == []


def test_tiles_only_where_asked(tiny_folder: Path) -> None:
    whole, cut = (load(str(tiny_folder), device="cpu", vae_tiles=asked) for asked in (False, True))
    small, large = torch.rand(1, 4, 16, 16), torch.rand(1, 4, 40, 40)
    assert torch.equal(whole.decode(small), cut.decode(small))
    assert not torch.equal(whole.decode(large), cut.decode(large))
    assert whole.decode(large).shape == cut.decode(large).shape
