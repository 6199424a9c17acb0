"""Records that are checked where they enter, and files that hold one a line as JSON."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from frameweave.errors import DataError

R = TypeVar("R", bound="Record")
M = TypeVar("M", bound=BaseModel)


class Record(BaseModel):
    """A frozen record that is checked where it enters: no unknown field, no value of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True)

    def replaced(self: R, **changes: Any) -> R:
        """The same record with some changed, checked again."""
        kept = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**kept | changes)

    def line(self, *, lean: bool = False, sort: bool = True, indent: int | None = None) -> str:
        """The record as JSON, usually on one line; a lean one leaves out what is as usual."""
        table = self.model_dump(mode="json", by_alias=True, exclude_defaults=lean)
        return json.dumps(table, ensure_ascii=False, sort_keys=sort, indent=indent)


def read_records(path: Path, kind: type[M], *, hint: str) -> Iterator[M]:
    """The records of a file of JSON lines. Raises `DataError` with file and line, and ends with the hint."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                yield parsed(kind, line, f"{path}, line {number}", hint=hint)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", hint=hint) from error


def parsed(kind: type[M], content: bytes, where: str, *, hint: str) -> M:
    """A record of JSON. Raises `DataError` that names `where` and a fault, one of our own rules first."""
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = min(error.errors(), key=lambda fault: fault["type"] != "value_error")
        field = ".".join(str(part) for part in first["loc"])
        own = first["type"] == "value_error" or not field
        fault = first["msg"].removeprefix("Value error, ") if own else f"{field}: {first['msg']}"
        raise DataError(f"{where}: {fault}", hint=hint) from error
