"""What is said before an edit: words that the packaged model never saw, how much its result is enlarged."""

from pathlib import Path

import pytest
import torch

from frameweave.editing.advice import advise
from frameweave.editing.edit import edit
from frameweave.editing.footage import Fit
from frameweave.editing.options import EditOptions, GenerateOptions
from frameweave.progress import Notes
from frameweave.video.clip import Clip
from frameweave.world.grammar import corpus, unknown_words
from style_loras import saved

LARGE = Fit.of((1280, 720), 64, 8)


def _said(options: EditOptions | GenerateOptions, prompts: list[str], fit: Fit | None = None) -> list[str]:
    notes = Notes()
    advise(options, prompts, notes, fit)
    return notes.texts


def test_unknown_words_are_named_once_with_what_to_do() -> None:
    options = EditOptions(negative_prompt="a blurry car")
    prompts = ["a watercolor painting of a polar bear", "a Polar bear in the snow"]
    (said,) = _said(options, prompts)
    assert "never seen: watercolor, painting, polar, bear, blurry; " in said and "--model" in said
    assert _said(options.replaced(model="other"), prompts) == []


def test_the_adaptor_that_knows_some_of_the_words_is_named() -> None:
    prompt = (
        "an old photo of a silver bell on a wooden floor"  # old may stand in any prompt: no adaptor lists it
    )
    (said,) = _said(EditOptions(), [prompt])
    assert "its adaptor strangers has seen " in said and "bell" in said and "--adaptor strangers" in said


def test_many_words_are_counted() -> None:
    (said,) = _said(GenerateOptions(), [" ".join(f"word{number}" for number in range(30))])
    assert "word7 and 22 more;" in said and len(said) < 300


def test_what_the_world_says_is_known() -> None:
    assert not any(unknown_words(sentence) for sentence in corpus())
    assert unknown_words("Ein roter Wagen, 3 cars; été") == ["ein", "roter", "wagen", "3", "cars", "été"]


@pytest.mark.parametrize("model", ["miniature", "other"])
def test_enlarging_is_told(model: str) -> None:
    options = EditOptions(model=model)
    (said,) = _said(options, ["a red car"], LARGE)
    assert "1280 x 720 pixels is edited at the model's size, 64 x 36, and enlarged 20 times" in said
    assert _said(options, ["a red car"], Fit.of((64, 36), 64, 8)) == []
    assert _said(options.replaced(size=64), ["a red car"], LARGE) == []  # asked for


def test_an_edit_says_both_once_for_all_its_prompts(tmp_path: Path) -> None:
    Clip.of(torch.rand(1, 3, 64, 96)).write(tmp_path / "clip.mp4")
    notes, options = Notes(), EditOptions(steps=1, out=tmp_path / "run", device="cpu", use_cache=False)
    edit(tmp_path / "clip.mp4", ["a bear", "a wolf in the snow"], options, progress=notes)
    assert any("never seen: bear, wolf;" in text for text in notes.texts)
    assert sum("never seen" in text or "enlarged 1.5 times" in text for text in notes.texts) == 2


def test_a_textual_inversion_that_no_prompt_uses_is_told(tmp_path: Path) -> None:
    file = saved({"emb_params": torch.ones(1, 16)}, tmp_path / "easynegative.safetensors")
    options = EditOptions(embedding=(file,))
    (said,) = _said(options, ["a red car"])
    assert "no prompt has the word 'easynegative'" in said and "--negative-prompt" in said
    assert _said(options.replaced(negative_prompt="(EasyNegative:1.2)"), ["a red car"]) == []
    assert _said(EditOptions(embedding=(f"car2={file}",)), ["a red <car2>"]) == []
