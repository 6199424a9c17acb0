"""`Settings`: the frozen, flat records from which flags, run files, schemas and the checks of values come.

Range, unit and default stand in the field; the docstring below a field is its help.
"""

import dataclasses
import tomllib
import types
import typing
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from frameweave.errors import InputError

S = TypeVar("S")
T = TypeVar("T", bound="Settings")

Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


def _split(value: object) -> object:
    """Items with commas between, as `--set motion=12,0` gives them."""
    return value.split(",") if isinstance(value, str) else value


Split = BeforeValidator(_split)
"""Beside a tuple: `Annotated[tuple[float, float], Split]` reads text with commas too."""


class Settings(BaseModel):
    """Base of every command's and every editor's settings. Raises `InputError` for what does not fit."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, validate_default=True
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _explained(type(self), error) from None

    def replaced(self: T, **changes: Any) -> T:
        """The same settings with some changed, checked again."""
        kept = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**kept | changes)

    def table(self) -> dict[str, Any]:
        """A table for TOML or JSON: paths become strings, tuples lists, None is left out."""
        return self.model_dump(mode="json", exclude_none=True)

    @classmethod
    def of_table(cls: type[T], table: dict[str, Any], *, where: str) -> T:
        """The settings from such a table; `where` names its file for the message."""
        try:
            return cls(**table)
        except InputError as error:
            raise InputError(f"{where}: {error.args[0]}", hint=error.hint) from error


def _explained(kind: type[Settings], error: ValidationError) -> InputError:
    """The first thing that is wrong: what was found, what is expected, what to do."""
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":
        return InputError.unknown("setting", str(first["loc"][0]), list(kind.model_fields))
    if not first["loc"]:  # a rule of the whole class
        return InputError(first["msg"].removeprefix("Value error, "))
    name = str(first["loc"][0])
    context = first.get("ctx", {})
    expected = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if {"ge", "gt", "le", "lt"} & context.keys():
        expected = _bounds(kind, name) or expected
    field = kind.model_fields[name]
    usual = "" if field.is_required() or field.default in (None, "") else f", {field.default}"
    return InputError(
        f"{name} is {first['input']}, expected {expected}", hint=f"leave it out for the default{usual}"
    )


def _bounds(kind: type[Settings], name: str) -> str:
    """The whole range of a field, in words: of `first` only the side that was missed is known."""
    schema = cast("dict[str, Any]", kind.model_json_schema()["properties"][name])
    found = _with_bounds(schema)
    low, above, high = (found.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if low is not None:
        return f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
    if above is not None:
        return f"more than {above:g}" + ("" if high is None else f" and at most {high:g}")
    return "" if high is None else f"at most {high:g}"


def _with_bounds(schema: Any) -> dict[str, Any]:
    """The first part of a JSON schema that has bounds: of a union, or of a tuple's items."""
    if isinstance(schema, list):
        return next((found for item in cast("list[Any]", schema) if (found := _with_bounds(item))), {})
    if not isinstance(schema, dict):
        return {}
    table = cast("dict[str, Any]", schema)
    if {"minimum", "exclusiveMinimum", "maximum"} & table.keys():
        return table
    return _with_bounds([table.get("anyOf"), table.get("prefixItems"), table.get("items")])


def read_toml(path: Path) -> dict[str, Any]:
    """All tables of a TOML file. Raises `InputError` when it is missing or not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", hint="check the path of the run file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file ({error})", hint="give a run.toml") from error


def write_toml(path: Path, tables: dict[str, Any]) -> None:
    """Write tables as TOML."""
    path.write_text(tomli_w.dumps(tables), encoding="utf-8")


def to_table(settings: Any) -> dict[str, Any]:
    """A dataclass as a TOML table: paths become strings, tuples lists, None is left out."""
    table = {field.name: _plain(getattr(settings, field.name)) for field in dataclasses.fields(settings)}
    return {key: value for key, value in table.items() if value is not None}


def from_table(kind: type[S], table: dict[str, Any], *, where: str) -> S:
    """The dataclass from a TOML table.

    Raises `InputError` for an unknown key, naming the nearest known one, and for a value of the
    wrong type. `where` names the file for the message.
    """
    hints = typing.get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(kind)]  # pyright: ignore[reportArgumentType]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise InputError.unknown(f"setting in {where}:", key, known)
        values[key] = _typed(hints[key], value, f"{where}: {key}")
    return kind(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in typing.cast("tuple[Any, ...]", value)]
    return value


def _typed(hint: Any, value: Any, what: str) -> Any:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for option in options:
        origin = typing.get_origin(option)
        if origin is typing.Literal and value in typing.get_args(option):
            return value
        if origin is tuple and isinstance(value, list):
            inner = typing.get_args(option)[0]
            return tuple(_typed(inner, item, what) for item in typing.cast("list[Any]", value))
        if option is Path and isinstance(value, str):
            return Path(value)
        if option is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if isinstance(option, type) and type(value) is option:
            return value
    expected = getattr(hint, "__name__", str(hint))
    raise InputError(f"{what} = {value!r}, expected {expected}", hint="correct the run file")
