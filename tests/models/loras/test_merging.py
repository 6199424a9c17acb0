"""LoRAs in a model: equal to sums by hand and to diffusers, at their timesteps, and gone without a trace."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from torch import nn

from frameweave.adaptor.adaptor import Adaptor
from frameweave.errors import ModelFolderError
from frameweave.models.identity import fingerprint
from frameweave.models.loading.load import load
from frameweave.models.loading.strength import Weighted
from frameweave.models.loras.merging import loras
from frameweave.models.stable_diffusion import StableDiffusion
from style_loras import (
    Pair,
    Tensors,
    earlier_diffusers,
    kohya,
    peft,
    random_pairs,
    same,
    saved,
    states,
    summed,
)
from tiny import prediction

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")


def _equal(a: nn.Module, b: nn.Module) -> bool:
    return same(list(a.state_dict().values()), list(b.state_dict().values()))


@pytest.fixture
def style(tiny: StableDiffusion, tmp_path: Path) -> str:
    """A LoRA of every layer of the UNet."""
    return saved(kohya(random_pairs(tiny.unet)), tmp_path / "style.safetensors")


LAYOUTS: dict[str, Callable[[dict[str, Pair]], Tensors]] = {
    "kohya": kohya,
    "PEFT": peft,
    "PEFT without a prefix": lambda pairs: peft(pairs, ""),
    "PEFT of a whole model": lambda pairs: peft(pairs, "base_model.model."),
    "earlier diffusers": earlier_diffusers,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_gives_the_sum(tiny: StableDiffusion, tmp_path: Path, layout: str) -> None:
    pairs = random_pairs(tiny.unet, endings=ATTENTION if layout == "earlier diffusers" else ("",))
    expected = summed(tiny.unet, pairs, 0.8)
    with loras(tiny, [saved(LAYOUTS[layout](pairs), tmp_path / "a.safetensors") + "@0.8"]):
        assert _equal(tiny.unet, expected)


def test_diffusers_gives_the_same(tiny: StableDiffusion, tiny_folder: Path, style: str) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_folder)
    pipeline.load_lora_weights(style)
    expected = prediction(pipeline.unet, 500)
    with loras(tiny, [style]):
        assert torch.allclose(prediction(tiny.unet, 500), expected, atol=1e-4)


@pytest.mark.parametrize("prefix", ["lora_te_text_model_", "lora_te1_text_model_"])
def test_a_text_encoder_with_other_alphas_and_not_all_layers(
    tiny: StableDiffusion, tmp_path: Path, prefix: str
) -> None:
    encoder = tiny.text.networks[0]
    pairs = random_pairs(encoder, endings=("q_proj", "v_proj", "fc1"))
    pairs = {name: replace(pair, alpha=0.5 + i) for i, (name, pair) in enumerate(pairs.items())}
    expected = summed(encoder, pairs)
    for made in (kohya(pairs, prefix), peft(pairs, "text_encoder.text_model.")):
        with loras(tiny, [saved(made, tmp_path / "a.safetensors")]):
            for mine, theirs in zip(encoder.parameters(), expected.parameters(), strict=True):
                assert torch.allclose(mine, theirs, atol=1e-7)


def test_a_part_of_the_weights_is_a_convolution_or_a_matrix_as_one_likes(
    tiny: StableDiffusion, tmp_path: Path
) -> None:
    """`proj_in` is a 1 x 1 convolution in some models and a matrix in others; LoRAs of both exist."""
    pairs = random_pairs(tiny.unet, endings=("proj_in",))
    flat = {
        name: replace(pair, up=pair.up.flatten(1), down=pair.down.flatten(1)) for name, pair in pairs.items()
    }
    expected = summed(tiny.unet, pairs)
    with loras(tiny, [saved(kohya(flat), tmp_path / "a.safetensors")]):
        assert _equal(tiny.unet, expected)


def test_two_are_the_sum_in_any_order(tiny: StableDiffusion, style: str, tmp_path: Path) -> None:
    other = random_pairs(tiny.unet, seed=1, endings=ATTENTION)
    second = saved(peft(other), tmp_path / "other@home.safetensors") + "@-0.5"
    expected = summed(summed(tiny.unet, random_pairs(tiny.unet), 0.8, exact=True), other, -0.5).float()
    with loras(tiny, [style + "@0.8", second]):
        assert _equal(tiny.unet, expected)
    with loras(tiny, [second, style + "@0.8"]), loras(tiny, []):
        assert all(
            torch.allclose(mine, theirs, atol=1e-7)
            for mine, theirs in zip(tiny.unet.parameters(), expected.parameters(), strict=True)
        )


def test_restored_to_the_bit(tiny_folder: Path, style: str) -> None:
    for dtype in ("fp32", "fp16"):
        model = load(str(tiny_folder), device="cpu", dtype=dtype)
        before, modules = states(model), dict(model.unet.named_modules())
        with pytest.raises(RuntimeError, match="stop"), loras(model, [style, style + "@1:0.2-0.5"]):
            assert not same(states(model), before)
            raise RuntimeError("stop")
        assert same(states(model), before)
        assert dict(model.unet.named_modules()) == modules
        assert not model.unet._forward_pre_hooks and not model.unet._state_dict_pre_hooks


def test_nothing_is_changed_where_a_second_one_does_not_fit(
    tiny: StableDiffusion, style: str, tmp_path: Path
) -> None:
    before = states(tiny)
    pair = Pair(torch.ones(2, 1), torch.ones(1, 2), 1.0)
    odd = saved(kohya({"odd": pair}), tmp_path / "odd.safetensors")
    with pytest.raises(ModelFolderError, match="no layer of the model"), loras(tiny, [style, odd]):
        pass
    assert same(states(tiny), before)


def test_the_model_is_loaded_with_it(tiny: StableDiffusion, tiny_folder: Path, style: str) -> None:
    loaded = load(str(tiny_folder), device="cpu", lora=(style + "@0.8",))
    with loras(tiny, [style + "@0.8"]):
        assert same(states(loaded), states(tiny))


def test_a_share_of_the_timesteps(tiny: StableDiffusion, style: str) -> None:
    plain = {t: prediction(tiny.unet, t) for t in (999, 400, 399, 0)}
    with loras(tiny, [style]):
        whole = {t: prediction(tiny.unet, t) for t in plain}
    before = fingerprint(tiny.unet)
    with loras(tiny, [style + "@1:0.0-0.6"]):
        for t in (0, 999, 399, 400, 0):
            assert torch.equal(prediction(tiny.unet, t), whole[t] if t >= 400 else plain[t])
            assert fingerprint(tiny.unet) == before
    with loras(tiny, [style + "@1:0-1"]):
        assert torch.equal(prediction(tiny.unet, 400), whole[400])
    assert torch.equal(prediction(tiny.unet, 0), plain[0])


@pytest.mark.parametrize("border", [0.3, 0.5, 0.7, 0.9])
def test_shares_that_meet_have_every_step_once(border: float) -> None:
    first, second = Weighted("x", end=border), Weighted("x", start=border)
    steps = [t / 2 for t in range(2000)]  # of samplers between whole timesteps, too
    acting = [t for t in steps if first.acts_at(t, 1000)]
    assert min(acting) == round(1000 * (1 - border))
    assert [t for t in steps if second.acts_at(t, 1000)] == [t for t in steps if t not in acting]
    for spaced, offset in ((100, 0), (100, 1), (100, 99)):  # leading and trailing samplers of 10 steps
        run = range(offset, 1000, spaced)
        assert sum(first.acts_at(t, 1000) for t in run) == round(10 * border)


def test_a_share_beside_one_that_always_acts(tiny: StableDiffusion, style: str, tmp_path: Path) -> None:
    always = saved(peft(random_pairs(tiny.unet, seed=1)), tmp_path / "always.safetensors")
    expected = {}
    for both, t in ((True, 700), (False, 300)):
        with loras(tiny, [always, style] if both else [always]):
            expected[t] = prediction(tiny.unet, t)
    with loras(tiny, [always, style + ":0-0.5"]):
        for t in (700, 300, 700):
            assert torch.equal(prediction(tiny.unet, t), expected[t])


def test_what_it_adds_to_the_text_encoder_acts_throughout(tiny: StableDiffusion, tmp_path: Path) -> None:
    pairs = random_pairs(tiny.text.networks[0], endings=("q_proj",))
    expected = summed(tiny.text.networks[0], pairs)
    with loras(tiny, [saved(peft(pairs, "text_encoder."), tmp_path / "a.safetensors") + ":0-0.1"]):
        assert _equal(tiny.text.networks[0], expected)


@pytest.mark.parametrize("suffix", ["", "@1:0-0.5"])
def test_beside_the_adaptor(tiny: StableDiffusion, adaptor: Adaptor, style: str, suffix: str) -> None:
    """Each acts as if it were alone in the model, whichever comes first; none outlives its block."""
    use, before = adaptor.use(tokens=False, strength=0.5), states(tiny)
    with loras(tiny, [style]):
        alone = prediction(tiny.unet, 700)
        merged_folder = copy.deepcopy(tiny.unet)
    with adaptor.in_unet(merged_folder, use):
        both = prediction(merged_folder, 950)
    with loras(tiny, [style + suffix]), adaptor.in_unet(tiny.unet, use) as gate:
        assert torch.equal(prediction(tiny.unet, 950), both)
        assert torch.equal(prediction(tiny.unet, 700), alone)  # the adaptor is silent there
        with gate.shut():
            silent = prediction(tiny.unet, 950)
    with adaptor.in_unet(tiny.unet, use):
        ours = prediction(tiny.unet, 950)
        with loras(tiny, [style + suffix]):
            assert torch.equal(prediction(tiny.unet, 950), both)
        assert torch.equal(prediction(tiny.unet, 950), ours)
    with loras(tiny, [style + suffix]):
        assert torch.equal(prediction(tiny.unet, 950), silent)
    assert same(states(tiny), before)


def test_one_around_another_that_has_a_share(
    tiny: StableDiffusion, tiny_folder: Path, style: str, tmp_path: Path
) -> None:
    """Both act at their timesteps, and each is gone when it is left."""
    other = saved(kohya(random_pairs(tiny.unet, seed=5)), tmp_path / "other.safetensors")
    plain = prediction(tiny.unet, 900)
    early = load(str(tiny_folder), device="cpu", lora=(f"{style}@1:0-0.5",))

    def expected(t: int, *texts: str) -> torch.Tensor:
        with loras(tiny, texts):
            return prediction(tiny.unet, t)

    alone = prediction(early.unet, 900), prediction(early.unet, 100)
    assert torch.equal(alone[0], expected(900, style)) and torch.equal(alone[1], expected(100))
    for suffix in ("", "@1:0.5-1"):
        with loras(early, [other + suffix]):
            for t in (100, 900, 100, 900):
                mine = [other] if suffix == "" or t == 100 else []
                theirs = [style] if t == 900 else []
                assert torch.allclose(prediction(early.unet, t), expected(t, *theirs, *mine), atol=1e-5)
        assert torch.equal(prediction(early.unet, 100), alone[1])
        assert torch.equal(prediction(early.unet, 900), alone[0])
    assert torch.equal(prediction(tiny.unet, 900), plain)
