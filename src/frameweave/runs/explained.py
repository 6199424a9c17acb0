"""What is wrong with a value, in our words: what was found, what is expected, what to do."""

import difflib
import typing
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel, Field, ValidationError

from frameweave.errors import InputError

_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "tuple": "a list",
    "dict": "a table",
}
"""By how pydantic's kinds of errors begin, such as `int_parsing` and `int_type`."""


RENAMED = {
    "adaptor_injection": "adaptor_schedule",
    "control": "controlnet",
    "control_scale": "controlnet_scale",
    "every": "keyframe_interval",
    "frames_at_once": "chunk_size",
    "injection": "schedule",
    "negative": "negative_prompt",
    "overlap": "context_overlap",
    "window": "context_length",
    "confirmation": "validation",
}
"""Earlier names of settings and of their values, which old commands and run files may hold."""


def unknown_setting(what: str, name: str, known: Sequence[str]) -> InputError:
    """There is no such setting; an earlier name is told the present one, any other the nearest."""
    error = InputError.unknown(what, name, known)
    if (now := RENAMED.get(name)) in known:
        error.hint = f"{name} is called {now} now"
    return error


def explained(kind: type[BaseModel], error: ValidationError) -> InputError:
    """The first thing that is wrong with the values of a class of settings."""
    first = error.errors()[0]
    what = first["type"]
    if what == "extra_forbidden":
        return unknown_setting("setting", str(first["loc"][0]), list(kind.model_fields))
    if not first["loc"]:  # a rule of the whole class
        return InputError(_own_words(first["msg"]))
    name = str(first["loc"][0])
    if what == "missing" and len(first["loc"]) == 1:
        return InputError(f"{name} is missing", hint=f"give {name}")
    found, expected = first["input"], _expected(kind, name, what, first)
    if what in ("missing", "too_long"):  # items of a tuple
        items: list[Any] = list(found) if isinstance(found, list | tuple) else [found]
        found = ",".join(map(str, items)) or "empty"
    field = kind.model_fields[name]
    hint = "leave it out for the default"
    if not field.is_required() and field.default not in (None, "", ()):
        hint += f", {_plain(field.default)}"
    if what == "literal_error" and (near := difflib.get_close_matches(str(found), _words(field.annotation))):
        hint = f"did you mean {near[0]}?"
    if what == "literal_error" and (now := RENAMED.get(str(found))) in _words(field.annotation):
        hint = f"{found} is called {now} now"
    if what == "tuple_type" and (now := RENAMED.get(name)) in kind.model_fields:  # the name has a new meaning
        hint = f"a single {name} is called {now} now"
    return InputError(f"{name} is {_plain(found)}, expected {expected}", hint=hint)


def _expected(kind: type[BaseModel], name: str, what: str, first: Mapping[str, Any]) -> str:
    if what == "literal_error":
        words = _words(kind.model_fields[name].annotation)
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    if what in ("missing", "too_long"):
        return _length(kind.model_fields[name].annotation)
    if {"ge", "gt", "le", "lt"} & first.get("ctx", {}).keys() and (words := bounds(kind, name)):
        return words
    return _EXPECTED.get(what.partition("_")[0], _own_words(first["msg"]))


class _Bounds(BaseModel):
    """The bounds in a JSON schema: its own, or those of a union's kinds or a tuple's items."""

    minimum: float | None = None
    above: float | None = Field(default=None, alias="exclusiveMinimum")
    maximum: float | None = None
    any_of: tuple["_Bounds", ...] = Field(default=(), alias="anyOf")
    each: tuple["_Bounds", ...] = Field(default=(), alias="prefixItems")
    items: "_Bounds | bool | None" = None

    @property
    def any(self) -> bool:
        return (self.minimum, self.above, self.maximum) != (None, None, None)

    @property
    def first(self) -> "_Bounds":
        """The first part that has bounds; itself where none has."""
        inner = [one for one in (*self.any_of, *self.each, self.items) if isinstance(one, _Bounds)]
        return self if self.any else next((one.first for one in inner if one.first.any), self)


def bounds(kind: type[BaseModel], name: str) -> str:
    """The whole range of a field, in words; empty when it has none.

    pydantic tells only the side that was missed.
    """
    found = _Bounds.model_validate(kind.model_json_schema()["properties"][name]).first
    low, above, high = found.minimum, found.above, found.maximum
    if low is not None:
        return f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
    if above is not None:
        return f"more than {above:g}" + ("" if high is None else f" and at most {high:g}")
    return "" if high is None else f"at most {high:g}"


def _words(annotation: Any) -> list[str]:
    """The words of every Literal in a type."""
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return [str(word) for word in arguments]
    return [word for inner in arguments for word in _words(inner)]


def _length(annotation: Any) -> str:
    """How many items the tuple in a type has, in words."""
    if typing.get_origin(annotation) is tuple:
        items = typing.get_args(annotation)
        return f"{len(items)} numbers with commas between"
    return next((found for inner in typing.get_args(annotation) if (found := _length(inner))), "")


def _plain(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ",".join(map(str, cast("Sequence[object]", value)))
    return str(value)


def _own_words(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Input should be ")
