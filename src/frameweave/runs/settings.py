"""Settings are frozen dataclasses; this turns them into TOML and back. Plain values only."""

import dataclasses
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from frameweave.errors import InputError

S = TypeVar("S")


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
