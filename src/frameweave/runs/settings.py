"""`Settings`: the frozen, flat records from which flags, run files, schemas and the checks of values come.

Range, unit and default stand in the field; the docstring below a field is its help.
"""

import random
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, get_args

import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from frameweave.errors import InputError
from frameweave.runs.explained import explained
from frameweave.runs.records import JsonObject
from frameweave.runs.text import unwritable
from frameweave.runs.times import seconds

T = TypeVar("T", bound="Settings")

Count = Annotated[int, Field(ge=1)]
"""A whole number of at least 1."""
NotNegative = Annotated[int, Field(ge=0)]
"""A whole number of at least 0."""
Positive = Annotated[float, Field(gt=0)]
"""A number above 0."""
Rate = Annotated[float, Field(gt=0, le=1000)]
"""Frames per second; more than any camera takes would fill the disk with the same frames again and again."""
Share = Annotated[float, Field(ge=0, le=1)]
"""A number from 0 to 1."""
Quality = Annotated[int, Field(ge=0, le=51)]
"""The quality of a video file, as its constant rate factor (CRF)."""


@dataclass(frozen=True)
class MustExist:
    """Beside a path: a file or folder must lie there, which the command line looks for before any work."""


@dataclass(frozen=True, init=False)
class Only:
    """Beside a setting: it acts only where another one has one of these values, or without any is given.

    Or where something else holds, if there is an `other`.
    """

    setting: str
    values: tuple[str | bool, ...]
    other: "Only | None"

    def __init__(self, setting: str, *values: str | bool, other: "Only | None" = None) -> None:
        object.__setattr__(self, "setting", setting)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "other", other)

    @property
    def ways(self) -> "tuple[Only, ...]":
        """This one and the others, each of which suffices."""
        return (self,) if self.other is None else (self, *self.other.ways)

    def met(self, settings: BaseModel) -> bool:
        """Whether it acts among these."""
        found = ((getattr(settings, way.setting), way.values) for way in self.ways)
        return any(value in values if values else bool(value) for value, values in found)


InputPath = Annotated[Path, MustExist()]
"""A file or folder that is read."""


def _drawn(value: object) -> object:
    return random.SystemRandom().randrange(2**31) if value in (-1, "-1") else value


def _held(seed: int) -> int:
    if seed >= 2**63:  # torch holds no more
        raise ValueError("less than 2 to the power of 63")
    return seed


FixedSeed = Annotated[int, Field(ge=0), AfterValidator(_held)]
"""A seed of random draws."""
Seed = Annotated[FixedSeed, BeforeValidator(_drawn)]
"""The same; -1 draws one, which the run file keeps."""
Seconds = Annotated[float, BeforeValidator(seconds)]
"""A time in a video: seconds, or text such as 1.5s, 1:02.5 and 1:00:02."""


def _split(value: object) -> object:
    """Items with commas between, as `--set motion=12,0` gives them."""
    return value.split(",") if isinstance(value, str) else value


Split = BeforeValidator(_split)
"""Beside a tuple: `Annotated[tuple[float, float], Split]` reads text with commas too."""


def _kinds(annotation: object) -> Iterator[object]:
    """A field's type, and all of which it is made: of `Count | None` also int."""
    yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)


class Settings(BaseModel):
    """Base of every command's and every editor's settings. Raises `InputError` for what does not fit."""

    heading: ClassVar[str] = "Settings"
    """Under which `--help` lists the settings of a class."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, validate_default=True
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise explained(type(self), error) from None

    @field_validator("*", mode="before")
    @classmethod
    def _as_files_hold_it(cls, value: object, info: Any) -> object:
        """pydantic takes 1 for true and true for 1; a run file that says so is wrong.

        Text that is not UTF-8 is told here, before a run folder is made whose file could not hold it.
        """
        if not isinstance(value, bool | int | float | None) and unwritable(value):
            raise ValueError("UTF-8 text")
        if isinstance(value, bool | int | float):
            kinds = set(_kinds(cls.model_fields[info.field_name].annotation))
            if isinstance(value, bool) and bool not in kinds and kinds & {int, float}:
                raise ValueError("a number")
            if not isinstance(value, bool) and bool in kinds and not kinds & {int, float}:
                raise ValueError("true or false")
        return value

    def replaced(self: T, **changes: Any) -> T:
        """The same settings with some changed, checked again."""
        kept = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**kept | changes)

    def part(self, kind: type[T]) -> T:
        """Those of the settings that one of the classes has from which this one is made."""
        return kind(**{name: getattr(self, name) for name in kind.model_fields})

    def changed(self, names: Iterable[str]) -> Iterator[str]:
        """Those of the settings that have no usual value."""
        return (name for name in names if getattr(self, name) != type(self).model_fields[name].default)

    def idle(self, names: Iterable[str]) -> Iterator[tuple[str, Only]]:
        """Those of the settings that have no usual value and do nothing, and what each of them needs."""
        for name in self.changed(names):
            for mark in type(self).model_fields[name].metadata:
                if isinstance(mark, Only) and not mark.met(self):
                    yield name, mark

    def table(self) -> dict[str, Any]:
        """A table for TOML or JSON: paths become strings, tuples lists, None is left out."""
        return self.model_dump(mode="json", exclude_none=True)

    @classmethod
    def heading_of(cls, name: str) -> str:
        """The heading of a setting: that of the class which has it first."""
        return [kind for kind in cls.__mro__ if issubclass(kind, Settings) and name in kind.model_fields][
            -1
        ].heading

    @classmethod
    def of_table(cls: type[T], table: Mapping[str, object], *, where: str = "") -> T:
        """The settings from such a table; `where` names its file, if it is of one, for the message."""
        try:
            return cls(**table)
        except InputError as error:
            if not where:
                raise
            raise InputError(f"{where}: {error.args[0]}", hint=error.hint) from error


def read_toml(path: Path) -> JsonObject:
    """All tables of a TOML file. Raises `InputError` when it is missing or not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", hint="check the path of the run file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file ({error})", hint="give a run.toml") from error
    except RecursionError as error:
        raise InputError(
            f"{path}: lists or tables lie too deep in each other", hint="give a run.toml"
        ) from error


def write_toml(path: Path, tables: Mapping[str, object]) -> None:
    """Write tables as TOML."""
    path.write_text(tomli_w.dumps(tables), encoding="utf-8")
