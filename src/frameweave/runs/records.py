"""`Record`: what one line of a JSON file says, checked where it is read and typed from then on."""

import json
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from frameweave.errors import DataError
from frameweave.runs.atomic import write_text

R = TypeVar("R", bound="Record")
JsonObject = dict[str, object]
"""An object of JSON or a table of TOML that passes through whatever it holds. A record reads it."""
_AGAIN = "run the same command again"


class Record(BaseModel):
    """Base of all lines. What a later version adds to a line is left out."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", use_attribute_docstrings=True, coerce_numbers_to_str=True
    )

    def as_json(self) -> str:
        """One line: what was given, and nothing that has its default because it was not."""
        return json.dumps(self.model_dump(mode="json", exclude_unset=True))

    @classmethod
    def from_json(cls: type[R], found: object, *, where: str, hint: str = _AGAIN) -> R:
        """The record from what JSON held. Raises `DataError` that begins with `where`, e.g. "a.jsonl: "."""
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            raise DataError(f"{where}{_wrong(cls, error)}", hint=hint) from None


def _wrong(kind: type[Record], error: ValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "value_error":  # of a rule of our own, in its words
        return first["msg"].removeprefix("Value error, ")
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"no field {name!r}" if kind.model_config.get("extra") == "forbid" else f"no {name}"
    if first["type"] == "extra_forbidden":
        return f"an unknown field {name!r}"
    expected = (
        first["msg"].removeprefix("Input should be ").replace("a valid ", "a ").replace("dictionary", "table")
    )
    if not name:
        return "expected an object"
    nothing = type(None) in typing.get_args(kind.model_fields[str(first["loc"][0])].annotation)
    return f"{name} = {first['input']!r}, expected {expected}{' or null' if nothing else ''}"


def read_json(path: Path, *, hint: str = _AGAIN) -> object:
    """What a JSON file holds. Raises `DataError` when it cannot be read, or is no JSON."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", hint=hint) from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error})", hint=hint) from error
    except RecursionError as error:
        raise DataError(f"{path}: lists or objects lie too deep in each other", hint=hint) from error


def lines_of(path: Path) -> Iterator[tuple[int, JsonObject]]:
    """The objects of a file of JSON lines with their numbers from 1; nothing when there is no file.

    A last line that was being written is left out. Raises `DataError` for any other that is no object.
    """
    content = path.read_bytes() if path.is_file() else b""
    whole, _, rest = content.rpartition(b"\n")
    numbered = list(enumerate([*(whole.split(b"\n") if whole else []), rest], 1))
    for number, line in numbered:
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            if number == len(numbered):
                return  # the writer was stopped
            raise DataError(f"{path}, line {number}: {error}", hint=_AGAIN) from error
        except RecursionError as error:
            raise DataError(f"{path}, line {number}: too deep", hint=_AGAIN) from error
        if not isinstance(found, dict):
            raise DataError(f"{path}, line {number}: expected an object", hint=_AGAIN)
        yield number, cast(JsonObject, found)


def read_lines(kind: type[R], path: Path, *, hint: str = _AGAIN) -> tuple[R, ...]:
    """The records of a file of JSON lines; none when there is no file. Raises what `lines_of` raises."""
    return tuple(
        kind.from_json(found, where=f"{path}, line {number}: ", hint=hint) for number, found in lines_of(path)
    )


def write_lines(path: Path, records: Iterable[Record]) -> None:
    """Write a file of JSON lines, atomically."""
    write_text(path, "".join(record.as_json() + "\n" for record in records))
