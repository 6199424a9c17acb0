"""Settings to TOML and back, and what is wrong in a file."""

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frameweave.editing.options import EditOptions
from frameweave.errors import InputError
from frameweave.measuring.options import GridOptions
from frameweave.runs.settings import FixedSeed, Seed, Settings, read_toml, write_toml
from frameweave.training.options import TrainOptions


class Fields(Settings):
    """One field of every kind."""

    steps: int = 25
    guidance: float | None = None
    out: Path = Path("runs")
    prompts: tuple[str, ...] = ()
    dtype: Literal["fp32", "fp16"] = "fp32"
    overwrite: bool = False


_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))
"""All that settings take."""


@given(
    st.builds(
        Fields,
        steps=st.integers(-(2**63), 2**63 - 1),
        guidance=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        prompts=st.lists(_TEXT).map(tuple),
        dtype=st.sampled_from(["fp32", "fp16"]),
        overwrite=st.booleans(),
    )
)
def test_there_and_back(tmp_path_factory: pytest.TempPathFactory, settings: Fields) -> None:
    path = tmp_path_factory.mktemp("toml") / "run.toml"
    write_toml(path, {"settings": settings.table()})
    assert Fields.of_table(read_toml(path)["settings"], where="run.toml") == settings


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"run\.toml.*'stepps'.*did you mean steps"):
        Fields.of_table({"stepps": 3}, where="run.toml")


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (EditOptions, {"control": "folder"}, "controlnet"),
        (EditOptions, {"negative": "rain"}, "negative_prompt"),
        (TrainOptions, {"control": "folder"}, "controlnet"),
        (GridOptions, {"clip_set": "confirmation"}, "validation"),
    ],
)
def test_an_earlier_name_is_told_the_present_one(kind: type[Settings], old: dict[str, str], new: str) -> None:
    with pytest.raises(InputError, match=rf"run\.toml.*is called {new} now"):
        kind.of_table(old, where="run.toml")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("steps", "many"),
        ("steps", 2.5),
        ("steps", True),
        ("overwrite", 1),
        ("dtype", "int8"),
        ("prompts", "one"),
    ],
)
def test_a_wrong_type_names_the_key(key: str, value: object) -> None:
    with pytest.raises(InputError, match=key):
        Fields.of_table({key: value}, where="run.toml")


def test_an_integer_is_a_float() -> None:
    assert Fields.of_table({"guidance": 5}, where="x").guidance == 5.0


def test_files_that_are_missing_or_no_toml(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_toml(tmp_path / "run.toml")
    (tmp_path / "run.toml").write_bytes(b"\xff\xfe= [")
    with pytest.raises(InputError, match="not a TOML file"):
        read_toml(tmp_path / "run.toml")


@pytest.mark.parametrize("text", ["a red \udcff car", "\ud800", "a\0b"])
def test_text_that_no_file_can_hold_is_refused(text: str) -> None:
    for values in ({"source_prompt": text}, {"out": text}, {"set": ("motion=1", text)}, {"mask": Path(text)}):
        with pytest.raises(InputError, match="expected UTF-8 text"):
            EditOptions(**values)


def test_an_empty_or_too_deep_file(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("a = " + "[" * 50_000)
    with pytest.raises(InputError, match=r"run\.toml: lists or tables lie too deep"):
        read_toml(file)


@pytest.mark.parametrize("seed", [-2, 2**63])
def test_a_seed_that_torch_cannot_hold_is_refused(seed: int) -> None:
    class Drawing(Settings):
        fixed: FixedSeed = 0
        drawn: Seed = 0

    assert Drawing(fixed=2**63 - 1).fixed == 2**63 - 1 and Drawing(drawn=-1).drawn >= 0
    for name in ("fixed", "drawn"):
        with pytest.raises(InputError, match=f"{name} is {seed}, expected"):
            Drawing.model_validate({name: seed})
