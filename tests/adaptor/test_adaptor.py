"""The adaptor: its window decided by timestep value, its tokens, its file, and what it refuses."""

import dataclasses
import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from frameweave.adaptor.adaptor import FILE, Adaptor, load_adaptor
from frameweave.adaptor.card import Card
from frameweave.adaptor.strengths import StrengthSchedule
from frameweave.diffusion.schedule import Window
from frameweave.editors import registry
from frameweave.editors.running import edit_clip
from frameweave.errors import AdaptorMismatch, InputError, ModelFolderError
from frameweave.models.seam import Guides, Model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from tiny import prediction


@pytest.mark.parametrize("t", [999, 950, 901, 899.5, torch.tensor(950), torch.tensor([950, 950])])
def test_inside_the_window_the_lora_acts(tiny: StableDiffusion, adaptor: Adaptor, t: float) -> None:
    plain = prediction(tiny.unet, t)
    with adaptor.in_unet(tiny.unet, adaptor.use()):
        assert not torch.equal(prediction(tiny.unet, t), plain)


def test_outside_the_window_nothing_changes_bit_for_bit(tiny: StableDiffusion, adaptor: Adaptor) -> None:
    plain = {t: prediction(tiny.unet, t) for t in (981, 881, 1)}
    with adaptor.in_unet(tiny.unet, adaptor.use()):
        for t in (981, 881, 981, 1):
            assert torch.equal(prediction(tiny.unet, t), plain[t]) == (t < 899)
    assert torch.equal(prediction(tiny.unet, 981), plain[981])
    assert not tiny.unet._forward_pre_hooks


def test_half_strength_is_half_of_the_low_rank_term(tiny: StableDiffusion, adaptor: Adaptor) -> None:
    with adaptor.in_unet(tiny.unet, adaptor.use(strength=0.5)):
        half = prediction(tiny.unet, 950)
    halved = {key: w * (0.5 if "lora_B" in key else 1) for key, w in adaptor.lora.items()}
    weaker = dataclasses.replace(adaptor, lora=halved)
    with weaker.in_unet(tiny.unet, weaker.use(strength=1.0)):
        assert torch.allclose(prediction(tiny.unet, 950), half, atol=1e-5)


@pytest.fixture
def clip() -> Clip:
    """Five noisy frames, small: there are many editors."""
    return Clip.of(torch.rand(5, 3, 24, 16, generator=torch.Generator().manual_seed(1)), fps=8)


@pytest.mark.parametrize("name", registry.names())
def test_every_editor_takes_it_and_leaves_no_trace(
    name: str, tiny: StableDiffusion, adaptor: Adaptor, clip: Clip
) -> None:
    depth = torch.rand(5, 1, *clip.frames.shape[2:], generator=torch.Generator().manual_seed(2))

    def edited(adapted_model: Model) -> Tensor:
        given = {"steps": 2, "chunk_size": 2}.items()  # one step lies in the window
        fields = registry.load(name).model_fields
        editor = registry.make(name, {key: value for key, value in given if key in fields})
        rng = torch.Generator().manual_seed(0)
        seen = depth if editor.needs_depth else None
        return edit_clip(editor, clip, "a red car", adapted_model, depth=seen, rng=rng).frames

    plain = edited(tiny)
    for tokens in (False, True):
        with adaptor.on(tiny, adaptor.use(strength=2.0, window=(0.5, 1.0), tokens=tokens)) as adapted_model:
            assert isinstance(adapted_model, Model)
            assert not torch.equal(edited(adapted_model), plain)
    with adaptor.on(tiny, adaptor.use(strength=0.0, window=(0.5, 1.0), tokens=False)) as adapted_model:
        assert torch.equal(edited(adapted_model), plain)
    assert torch.equal(edited(tiny), plain)


def test_the_tokens_stand_before_the_text_inside_the_window_only(
    tiny: StableDiffusion, adaptor: Adaptor, clip: Clip
) -> None:
    with adaptor.on(tiny, adaptor.use(strength=0.0, tokens=True)) as adapted_model:
        plain = tiny.conditioning(["", "a red car"])
        guides = Guides(seen=adapted_model.seen(clip.frames))
        given = adapted_model.conditioning(["", "a red car"], guides)
        states, text = given.texts, plain.texts
        assert states.shape == (2, 5, 3 + 9 + text.shape[2], 16)  # 17 vision states: CLS and 8 of 16 patches
        assert torch.equal(states[:, 2, 12:], text[:, 0])
        assert adapted_model.conditioning(["a red car"]).texts.shape[1:3] == (1, 3 + text.shape[2])
        x = torch.randn(5, 4, 16, 16)
        assert torch.allclose(adapted_model.predict(x, 500, given), tiny.predict(x, 500, plain), atol=1e-6)
        assert not torch.allclose(
            adapted_model.predict(x, 950, given), tiny.predict(x, 950, plain), atol=1e-6
        )


def test_it_comes_back_from_its_file_with_the_same_bits(adaptor: Adaptor, tmp_path: Path) -> None:
    folder = tmp_path / "adaptor"
    adaptor.save(folder)
    for name in (folder, folder / FILE, tmp_path):  # the last as a training leaves it
        back = load_adaptor(str(name))
        assert back.card == adaptor.card
        assert back.lora.keys() == adaptor.lora.keys()
        assert all(torch.equal(back.lora[key], adaptor.lora[key]) for key in back.lora)
        assert back.tokens is not None
        assert adaptor.tokens is not None
        assert torch.equal(back.tokens.W_proj.weight, adaptor.tokens.W_proj.weight)
        assert torch.equal(back.tokens.T_share, adaptor.tokens.T_share)


def test_it_is_told_from_others_by_what_it_holds(adaptor: Adaptor, tmp_path: Path) -> None:
    own = adaptor.identity
    adaptor.save(tmp_path)
    assert load_adaptor(str(tmp_path)).identity == own
    used = {
        "strength": 1.0,
        "low": 0.5,
        "strength_schedules": {"vidtome": "0-1:0"},
        "tokens_for": ["vidtome"],
        "steps": 9,
    }
    assert replace(adaptor, card=replace(adaptor.card, **used)).identity == own
    made = {"alpha": 8.0, "stride": 1, "in_uncond": False, "form": "sequence", "controlnet_text": "tokens"}
    others = [replace(adaptor, card=replace(adaptor.card, **{name: value})) for name, value in made.items()]
    key = next(iter(adaptor.lora))
    others.append(replace(adaptor, lora=adaptor.lora | {key: adaptor.lora[key] + 1}))
    others.append(replace(adaptor, tokens=None))
    assert len({own, *(other.identity for other in others)}) == len(others) + 1


def test_equal_effects_have_one_description(adaptor: Adaptor) -> None:
    def effect(own: Adaptor, text: str, *, tokens: bool) -> dict[str, object]:
        return own.use(strength=StrengthSchedule.parse(text), tokens=tokens).effect()

    silent, loud = "0-1:0", "0.9-1:1"
    bare, mute = replace(adaptor, tokens=None), replace(adaptor, lora={})
    assert effect(adaptor, silent, tokens=True) == effect(adaptor, "0.5-1:0", tokens=True)
    assert effect(adaptor, "0.9-1:1,0.3-0.9:0", tokens=False) == effect(adaptor, loud, tokens=False)
    assert effect(bare, loud, tokens=True) == effect(bare, loud, tokens=False)
    assert effect(mute, loud, tokens=True) == effect(mute, silent, tokens=True)
    ways = [effect(adaptor, how, tokens=tokens) for how in (silent, loud) for tokens in (False, True)]
    earlier = replace(adaptor, card=replace(adaptor.card, tokens_low=0.5))
    ways.append(effect(earlier, silent, tokens=True))
    ways.append(replace(adaptor.use(strength=1.0), in_inversion=False).effect())
    assert all(a != b for a, b in itertools.combinations(ways, 2))


def test_effects_are_told_by_the_names_under_which_results_are_kept(adaptor: Adaptor) -> None:
    assert adaptor.use(strength=0.25, tokens=True).effect() == {
        "adaptor": adaptor.identity,
        "injection": "0.9-1:0.25",
        "tokens": [0.9, 1.0],
        "in_inversion": True,
    }


def test_active_steps_are_counted(tiny: StableDiffusion, adaptor: Adaptor) -> None:
    use, timesteps = adaptor.use(), tiny.schedule.timesteps
    assert [use.acts(timesteps(steps)).lora for steps in (50, 20, 8)] == [5, 2, 0]
    assert adaptor.use(strength=0.0).silent and adaptor.use(strength=0.0).acts(timesteps(50)) == (None, None)


def test_a_use_is_for_its_own_adaptor(tiny: StableDiffusion, adaptor: Adaptor) -> None:
    other = replace(adaptor, tokens=None)
    with pytest.raises(AdaptorMismatch, match="the use of another adaptor"), other.on(tiny, adaptor.use()):
        pass


def test_the_tokens_follow_the_window_of_the_lora_unless_the_card_says_another() -> None:
    needed = {"base": "b", "architecture": "a", "layers": "l"}
    assert Card(**needed, low=0.5, high=0.8).tokens_window() == Window(0.5, 0.8)
    assert Card(**needed, low=0.5, high=0.8, tokens_low=0.7).tokens_window() == Window(0.7, 0.8)
    with pytest.raises(InputError, match=r"window \[0.9, 0.8\)"):
        Card(**needed, low=0.5, high=0.8, tokens_low=0.9)
    with pytest.raises(InputError, match="strength schedule 'x'"):
        Card(**needed, strength_schedules={"tokenflow": "x"})


def test_another_architecture_is_refused_with_both_widths(tiny: StableDiffusion, adaptor: Adaptor) -> None:
    other = dataclasses.replace(adaptor, card=dataclasses.replace(adaptor.card, architecture="320-640 x 768"))
    with (
        pytest.raises(AdaptorMismatch, match=r"UNet 320-640 x 768\), the model's UNet is 8-16 x 16"),
        other.on(tiny, other.use(tokens=True)),
    ):
        pass


def test_bad_files_are_told(adaptor: Adaptor, tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="not there"):
        load_adaptor(str(tmp_path))
    with pytest.raises(ModelFolderError, match="pickle"):
        load_adaptor(str(tmp_path / "lora.ckpt"))
    (tmp_path / FILE).write_bytes(b"torn")
    with pytest.raises(ModelFolderError, match=r"adaptor.safetensors: damaged"):
        load_adaptor(str(tmp_path))
    card = dataclasses.replace(adaptor.card, rank=8)
    Adaptor(adaptor.lora, None, card).save(tmp_path)
    with pytest.raises(AdaptorMismatch, match="has rank 4, the header says 8"):
        load_adaptor(str(tmp_path))


def rewritten(file: Path, *, without: str = "", header: str | None = None, **fields: object) -> None:
    """The same adaptor without one tensor, or with another header."""
    with safe_open(file, "pt") as opened:
        card = json.loads(opened.metadata()["frameweave_adaptor"])
        tensors = {key: opened.get_tensor(key) for key in opened.keys() if key != without}  # noqa: SIM118
    kept = {name: value for name, value in (card | fields).items() if value is not None}
    save_file(tensors, file, {"frameweave_adaptor": json.dumps(kept) if header is None else header})


def test_a_broken_header_and_missing_tensors_are_told(adaptor: Adaptor, tmp_path: Path) -> None:
    file = tmp_path / FILE
    for change, error, message in (
        ({"base": None}, ModelFolderError, r"header has no base \(found alpha, architecture"),
        ({"header": "{"}, ModelFolderError, "header is no JSON"),
        ({"rank": "four"}, ModelFolderError, "header has rank 'four', expected a valid integer"),
        ({"low": 1.0}, ModelFolderError, r"header has a window \[1, 1\), expected 0 <= low"),
        ({"future": 1}, ModelFolderError, "unknown field future; update frameweave"),
        ({"header": "[]"}, ModelFolderError, "header is no JSON object"),
        (
            {"without": "tokens.W_proj.weight"},
            AdaptorMismatch,
            r"tokens are T_share \(\d+, \d+\), W_proj.bias",
        ),
    ):
        adaptor.save(tmp_path)
        rewritten(file, **change)
        with pytest.raises(error, match=message):
            load_adaptor(str(file))


def test_the_packaged_adaptor_fits_the_packaged_model() -> None:
    from frameweave.models.loading.load import load

    model, packaged = load(device="cpu"), load_adaptor("miniature")
    before = model.conditioning(["a red car"])
    x = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    plain, below = model.predict(x, 951, before), model.predict(x, 251, before)
    with packaged.on(model, packaged.use(tokens=False)) as adapted_model:
        adapted = adapted_model.predict(x, 951, before)
        assert torch.equal(adapted_model.predict(x, 251, before), below)
    assert 1e-5 < float((adapted - plain).abs().max()) < 0.5
    assert set(packaged.card.strength_schedules) | set(packaged.card.tokens_for) <= set(registry.names())
