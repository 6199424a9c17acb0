"""`--adaptor auto`: the packaged adaptor acts where its card says that it helps, and a note says so."""

from dataclasses import replace
from pathlib import Path

import pytest

from frameweave.adaptor.adaptor import Adaptor, load_adaptor
from frameweave.cli import checks, works
from frameweave.editing import adapting
from frameweave.editing.adapting import settled
from frameweave.editing.edit import edit
from frameweave.editing.options import EditOptions
from frameweave.errors import InputError
from frameweave.progress import Notes
from frameweave.runs.run import read_run
from frameweave.world.clips import held_out_clips, stranger_clip


@pytest.fixture
def packaged(monkeypatch: pytest.MonkeyPatch) -> Adaptor:
    """An adaptor with a card that tells four editors apart, in place of those that are packaged."""
    whole = load_adaptor("miniature")
    schedules = {"framewise": "0.9-1:1", "delta": "0-1:0"}
    card = replace(whole.card, strength_schedules=schedules, tokens_for=["tokenflow"], words=[])
    told = replace(whole, card=card)
    monkeypatch.setattr(adapting, "load_adaptor", lambda _name: told)
    monkeypatch.setattr(adapting, "PACKAGED", ("miniature",))
    return told


def options(editor: str, **changes: object) -> EditOptions:
    return EditOptions.model_validate({"editor": editor, "adaptor": "auto"} | changes)


@pytest.mark.parametrize(
    ("editor", "acts"),
    [("framewise", True), ("tokenflow", True), ("delta", False), ("vidtome", False)],
    ids=["LoRA", "tokens", "found to be of no use", "never tried"],
)
def test_it_acts_in_editors_in_which_tune_found_that_it_helps(
    editor: str, acts: bool, packaged: Adaptor
) -> None:
    notes = Notes()
    chosen = settled(options(editor, adaptor_in_inversion=False), ["a red car"], notes)
    assert chosen.adaptor == ("miniature" if acts else None)
    assert chosen.adaptor_in_inversion is not acts  # without an adaptor nothing is said about one
    (note,) = notes.texts
    assert note.startswith("the packaged adaptor miniature acts" if acts else "no adaptor acts")
    assert editor in note


def test_it_acts_for_clips_of_what_it_was_trained_for(
    packaged: Adaptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = replace(packaged, card=replace(packaged.card, words=["teapot", "bell"]))
    monkeypatch.setattr(adapting, "load_adaptor", lambda _name: strange)
    notes = Notes()
    assert settled(options("framewise"), ["a blue car", "a red Teapot, sepia"], notes).adaptor == "miniature"
    assert settled(options("framewise"), ["a blue car", ""], notes).adaptor is None
    assert notes.texts[1] == "no adaptor acts: miniature is for clips of teapot, bell"


def test_of_those_that_are_packaged_the_one_for_the_clip_acts() -> None:
    asked, notes = options("tokenflow"), Notes()
    assert settled(asked, ["a red car"], notes).adaptor == "miniature"
    assert settled(asked, ["a red teapot"], notes).adaptor == "strangers"
    assert settled(options("delta"), ["a red car"], notes).adaptor is None
    assert notes.texts[2].startswith("no adaptor acts: strangers is for clips of teapot, guitar")


def test_any_other_adaptor_is_left_alone_and_another_model_has_none() -> None:
    given = options("framewise", adaptor="runs/train/adaptor")
    assert settled(given, ["a car"]) is given
    with pytest.raises(InputError, match="auto with the model other: no adaptor is packaged for it"):
        settled(options("framewise", model="other"), ["a car"])


def test_an_edit_acts_as_settled_and_its_run_says_how(tmp_path: Path) -> None:
    clip = held_out_clips()[0].path
    for editor, adaptor in (("tokenflow", "miniature"), ("framewise", None)):
        asked = options(editor, steps=2, frames=2, out=tmp_path / editor)
        edit(clip, ["a red car in the snow"], asked)
        assert read_run(tmp_path / editor).settings.get("adaptor") == adaptor


def test_the_command_line_takes_what_auto_stands_for(tmp_path: Path) -> None:
    """Also in what it says before the edit."""
    asked, notes = options("delta", steps=1, frames=2, out=tmp_path / "run"), Notes()
    checks.settings(asked)
    works.edit(stranger_clip().path, ["a cartoon of a red rabbit in the snow"], asked, progress=notes)
    assert read_run(tmp_path / "run").settings["adaptor"] == "strangers"
    assert any(text.startswith("this edit takes about") for text in notes.texts)
