"""Settings as words: the command line reads them back as the same settings."""

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import given, reject
from hypothesis import settings as trials
from hypothesis import strategies as st

from frameweave.cli import calling
from frameweave.cli.main import app
from frameweave.editing.model_options import OF_AN_ADAPTOR
from frameweave.editing.options import EditOptions
from frameweave.errors import InputError
from frameweave.runs.again.words import as_python, as_words, changed
from frameweave.runs.settings import Settings
from frameweave.training.personal_options import PersonalOptions

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
NUMBERS = st.floats(0.001, 1e9) | st.sampled_from([1e-7, 0.5, 1.0])
OWN: dict[str, st.SearchStrategy[Any]] = {
    "lora": st.lists(st.sampled_from(["-a.safetensors", "me/style@0.8", "b.safetensors@1:0-0.6"])).map(tuple),
    "embedding": st.lists(st.sampled_from(["a.safetensors", "word=b.safetensors"])).map(tuple),
    "adaptor": st.sampled_from(["miniature", "runs/a", "-odd"]),
    "mask": st.sampled_from([Path("a.png"), Path("-b.png")]),
    "clip_skip": st.integers(1, 40),
    "steady_radius": st.integers(1, 8),
    "seed": st.integers(0, 2**40),
    "lora_targets": st.sampled_from(["attn", "a|b"]),
    "t_range": st.sampled_from([(0.25, 0.5), (0.1, 1.0)]),
    "temporal_range": st.sampled_from([(0.25, 0.5), (0.1, 1.0)]),
}
"""Of settings whose type does not say all that they may be."""


def values(kind: type[Settings], name: str) -> st.SearchStrategy[Any]:
    """What a setting may be."""
    annotation = kind.model_fields[name].annotation
    kinds = [one for one in get_args(annotation) if one is not type(None)]
    optional = len(kinds) < len(get_args(annotation))
    bare = kinds[0] if optional else annotation
    said = f"{bare} {kind.model_fields[name].metadata}"
    found = TEXTS
    if get_origin(bare) is Literal:
        found = st.sampled_from(get_args(bare))
    elif get_origin(bare) is tuple:
        found = st.lists(TEXTS, min_size=1, max_size=3).map(tuple)
    elif bare is bool:
        found = st.booleans()
    elif bare is Path:
        found = TEXTS.map(lambda text: Path("a", text.replace("/", "-").strip(".")))
    elif "int" in said:
        found = st.integers(1, 10**6)
    elif "float" in said:
        found = st.floats(0.001, 1.0) if "Le(" in said else NUMBERS
    return OWN.get(name, found)


def tables_of(kind: type[Settings], without: tuple[str, ...] = ()) -> st.SearchStrategy[dict[str, Any]]:
    """Any few settings; whether they fit together is seen later."""
    names = [name for name in kind.model_fields if name not in without]
    chosen = st.lists(st.sampled_from(names), max_size=6, unique=True)
    return chosen.flatmap(lambda own: st.fixed_dictionaries({name: values(kind, name) for name in own}))


def made(kind: type[Settings], table: dict[str, Any]) -> Settings:
    """The settings; what does not fit is no case."""
    if set(OF_AN_ADAPTOR) & table.keys() and kind is EditOptions:
        table.setdefault("adaptor", "miniature")
        table.pop("adaptor_schedule", None)
    if "steady_radius" in table:
        table["steady"] = table.get("steady") or 0.5
    try:
        return kind(**table)
    except InputError:
        reject()


def read_back(words: list[str]) -> tuple[list[str], Settings]:
    """What the command line makes of words: its inputs, flattened, and its settings."""
    found: list[tuple[Any, Settings]] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            calling, "perform", lambda command, inputs, settings: found.append((inputs, settings))
        )
        assert words[0] == "frameweave"
        app(words[1:], exit_on_error=False, print_error=False, result_action="return_value")
    ((inputs, settings),) = found
    flat = [one for value in inputs for one in (value if isinstance(value, tuple) else [value])]
    return list(map(str, flat)), settings


@trials(deadline=None, max_examples=20)
@given(table=tables_of(EditOptions), prompts=st.lists(TEXTS, min_size=1, max_size=2))
def test_an_edit_is_read_back(table: dict[str, Any], prompts: list[str]) -> None:
    settings = made(EditOptions, table)
    words = as_words("edit", ["a clip.mp4", *prompts], settings)
    assert read_back(words) == (["a clip.mp4", *prompts], settings)


FIXED = ("data", "stages", "every_frame")


@trials(deadline=None, max_examples=20)
@given(table=tables_of(PersonalOptions, FIXED))
def test_a_training_is_read_back(table: dict[str, Any]) -> None:
    settings = made(PersonalOptions, table).replaced(data="-clip.mp4")
    usual = {name: type(settings).model_fields[name].default for name, _ in settings.idle(table)}
    words = as_words("train personal", ["-clip.mp4"], settings, without=FIXED)
    inputs, found = read_back(words)
    # what does nothing is refused, and so it is left out
    assert inputs == ["-clip.mp4"] and found.replaced(data="-clip.mp4") == settings.replaced(**usual)


def test_what_no_word_can_say_is_no_word() -> None:
    with pytest.raises(ValueError, match="workers"):
        from frameweave.editing.options import EditManyOptions

        as_words("edit-many", ["a.csv"], EditManyOptions(workers=None))


@trials(deadline=None, max_examples=20)
@given(table=tables_of(EditOptions))
def test_a_script_says_the_same(table: dict[str, Any]) -> None:
    settings = made(EditOptions, table)
    script = as_python("builtins:print", [Path("a clip.mp4"), ["it's"]], settings)
    found: list[Any] = []
    called = script.replace("\nprint(", "\nfound.extend(").replace("extend(", "append((").rstrip() + ")"
    exec(called.replace("from builtins import print\n", ""), {"found": found})
    assert found == [(Path("a clip.mp4"), ["it's"], settings)]


def test_only_what_differs_is_said() -> None:
    assert changed(EditOptions()) == {}
    assert changed(EditOptions(steps=3, audio=False)) == {"steps": 3, "audio": False}
