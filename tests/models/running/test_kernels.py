"""Attention by one of torch's kernels: the same result, in every layer and under every rule."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from frameweave.adaptor.adaptor import Adaptor
from frameweave.editing.model_options import NetworkOptions
from frameweave.editors import registry
from frameweave.editors.running import edit_clip
from frameweave.errors import InputError
from frameweave.models.loading.load import load
from frameweave.models.running.kernels import AUTO, KERNELS
from frameweave.models.running.shapes import shapes_of
from frameweave.models.seam import Model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from tiny import WIDTH, prediction


@pytest.fixture
def by_math(tiny_folder: Path) -> StableDiffusion:
    return load(str(tiny_folder), device="cpu", attention="math")


def flags() -> tuple[bool, bool]:
    return torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()


def edited(model: Model, clip: Clip, name: str) -> torch.Tensor:
    editor = registry.make(name, {"steps": 2, "guidance": 3.0})
    rng = torch.Generator().manual_seed(0)
    depth = {"depth": torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(2))}
    maps = depth if editor.needs_depth else {}
    return edit_clip(editor, clip.first(3), "a red car", model, rng=rng, maps=maps).frames


@pytest.mark.parametrize("name", registry.names())
def test_every_attention_of_every_editor_takes_it(
    name: str, by_math: StableDiffusion, tiny: StableDiffusion, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, seen, plain = edited(tiny, clip, name), set[tuple[bool, bool]](), F.scaled_dot_product_attention

    def watched(*values: torch.Tensor, **keywords: object) -> torch.Tensor:
        if len(values[0]) and values[0].shape[1] == by_math.unet.config["attention_head_dim"]:
            seen.add(flags())
        return plain(*values, **keywords)  # pyright: ignore[reportArgumentType]

    before = flags()
    with monkeypatch.context() as patch:
        patch.setattr(F, "scaled_dot_product_attention", watched)
        found = edited(by_math, clip, name)
    assert (False, True) in seen
    assert flags() == before
    assert torch.allclose(found, expected, atol=1e-4)


def test_it_is_what_torch_gives_with_that_kernel(by_math: StableDiffusion, tiny: StableDiffusion) -> None:
    with sdpa_kernel(SDPBackend.MATH):
        expected = prediction(tiny.unet, 5.0)
    assert torch.equal(prediction(by_math.unet, 5.0), expected)


def test_the_adaptor_is_seen(by_math: StableDiffusion, tiny: StableDiffusion, adaptor: Adaptor) -> None:
    use = adaptor.use(strength=1.0, window=(0.0, 1.0))
    with adaptor.on(tiny, use):
        expected = prediction(tiny.unet, 900.0)
    with adaptor.on(by_math, use):
        assert torch.allclose(prediction(by_math.unet, 900.0), expected, atol=1e-5)


def test_a_copy_has_layers_of_its_own(by_math: StableDiffusion) -> None:
    with torch.device("meta"):
        x, text = torch.zeros(2, 4, 16, 16), torch.zeros(2, 5, WIDTH)
    assert shapes_of(by_math.unet)(x, 5.0, text, return_dict=False)[0].is_meta
    assert not prediction(by_math.unet, 5.0).is_meta


def test_a_kernel_that_is_not_there_is_told(tiny_folder: Path) -> None:
    with pytest.raises(
        InputError,
        match="--attention efficient: torch has no such kernel for cpu, float32 .*leave --attention",
    ):
        load(str(tiny_folder), device="cpu", attention="efficient")
    with pytest.raises(InputError, match="attention kernel"):
        load(str(tiny_folder), device="cpu", attention="flesh")


def test_the_names_are_those_of_the_flag() -> None:
    with pytest.raises(InputError, match=f"expected one of {', '.join([AUTO, *KERNELS])};"):
        NetworkOptions.model_validate({"attention": "xformers"})
