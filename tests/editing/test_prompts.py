"""Weights and breaks in an edit's prompts: checked before any work, and no part of what is said."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from frameweave.editing.advice import advise, check_prompts, what_is_said
from frameweave.editing.comparing.compare import compare
from frameweave.editing.edit import edit
from frameweave.editing.generate import generate
from frameweave.editing.options import EditOptions, GenerateOptions
from frameweave.errors import InputError
from frameweave.measuring.evaluate_items import Item, case_of
from frameweave.progress import SILENT, Notes
from frameweave.video.clip import Clip

NETWORK = "a car <lora:film:0.8>"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    Clip.of(torch.rand(2, 3, 16, 16)).write(tmp_path / "clip.mp4")
    return tmp_path / "clip.mp4"


@pytest.mark.parametrize("run", [
    lambda video, options: edit(video, [NETWORK], options),
    lambda video, options: edit(video, ["a car"], options.replaced(negative_prompt=NETWORK)),
    lambda video, options: edit(video, ["a car"], options.replaced(source_prompt="a [cat|dog]")),
    lambda video, options: edit(video, ["a car", "(:1.2)"], options),
    lambda video, options: compare(video, NETWORK, options),
    lambda video, options: generate(NETWORK, GenerateOptions(out=options.out, model=options.model)),
])  # fmt: skip
def test_what_cannot_be_read_is_told_before_any_work(
    run: Callable[[Path, EditOptions], object], video: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="names a network|changes from step|prompt is empty"):
        run(video, EditOptions(out=tmp_path / "run", model="a/model-that-is-not-there"))
    assert not (tmp_path / "run").exists()


def test_published_programs_and_plain_prompts_are_not_checked() -> None:
    check_prompts([NETWORK, "[a|b]", "()"], EditOptions(prompt_syntax="plain"))
    check_prompts([NETWORK], EditOptions(as_published=True, editor="vidtome"))
    assert what_is_said("(a:1.2)", EditOptions(as_published=True, editor="vidtome")) == "(a:1.2)"


def test_the_miniature_is_not_said_to_miss_weights() -> None:
    notes = Notes()
    advise(EditOptions(negative_prompt="(night:1.4)"), ["a (red:1.3) car BREAK in the [snow]"], notes)
    assert notes.texts == []


def test_the_folder_is_named_after_the_words(
    video: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = EditOptions(model=str(tiny_folder), steps=1, device="cpu", use_cache=False)
    (done,) = edit(video, ["a (red:1.3) car BREAK snow"], options)
    assert done.video.parent.name == "edit-0001-a-red-car-snow"


def test_weights_reach_the_result_and_plain_prompts_stay_as_they_were(
    video: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    shared = EditOptions(model=str(tiny_folder), steps=2, device="cpu", use_cache=False)

    def made(prompt: str, **settings: object) -> bytes:
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        (done,) = edit(video, [prompt], shared.replaced(out=out, **settings))
        return done.video.read_bytes()

    plain = made("a red car")
    assert plain == made("a red car", prompt_syntax="plain")
    assert plain != made("a (red:3) car")
    assert made("a (red:3) car", prompt_syntax="plain") != made("a (red:3) car")
    assert plain != made("a red car", clip_skip=2)


def test_as_published_prompts_are_read_as_they_are_written(
    video: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    shared = EditOptions(
        model=str(tiny_folder), editor="vidtome", steps=2, device="cpu", use_cache=False, as_published=True
    )
    made = [
        edit(video, ["a (red:3) car"], shared.replaced(out=tmp_path / syntax, prompt_syntax=syntax))
        for syntax in ("a1111", "plain")
    ]
    assert len({done[0].video.read_bytes() for done in made}) == 1


def test_a_score_is_of_the_words(video: Path) -> None:
    item = Item(name="x", edited=video, prompt="a (red:1.3) car", source_prompt="[a] car")
    case = case_of(item, None, SILENT)
    assert (case.prompt, case.source_prompt) == ("a red car", "a car")
