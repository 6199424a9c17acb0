"""The flags of a command, made from its settings: their groups, ranges and defaults stand in the fields."""

import inspect
from collections.abc import Callable, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from cyclopts import Group, Parameter
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from frameweave.cli import completion
from frameweave.cli.command import REQUIRED, Command, Input
from frameweave.runs.explained import bounds
from frameweave.runs.settings import Settings

FILE, EXPLAIN = "from_run", "explain"
"""The names under which `--from` and `--explain` are given beside the settings."""
_ALSO = {"start": "--from", "end": "--to", "out": "-o"}
"""Second names of flags, as people know them from other programs."""
_LONGER = {"config": "model_config"}
"""Flags that say more than their setting, which cannot be called so: pydantic keeps that name for itself."""
_FEW = 12
"""Flags that may stand in one list."""


def function_of(command: Command, called: Callable[..., None], *, inputs: bool = True) -> Callable[..., None]:
    """A function with the inputs and flags of a command, which gives `called` those that were typed."""

    def function(*given: Any, **flags: Any) -> None:
        called(*given, **flags)

    parameters = [_of_input(one) for one in command.inputs] if inputs else []
    parameters += _flags_of(command)
    function.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    function.__annotations__ = {one.name: one.annotation for one in parameters}
    return function


def flag(command: Command, name: str) -> str:
    """How a setting is called on the command line of a command.

    >>> from frameweave.cli.commands import BY_NAME
    >>> flag(BY_NAME["edit"], "negative_prompt"), flag(BY_NAME["train tokens"], "tokens_steps")
    ('--negative-prompt', '--steps')
    """
    short = next((short for short, meant in command.short.items() if meant == name), _LONGER.get(name, name))
    return f"--{short.replace('_', '-')}"


def _of_input(one: Input) -> inspect.Parameter:
    kind = inspect.Parameter.VAR_POSITIONAL if one.many else inspect.Parameter.POSITIONAL_ONLY
    default = inspect.Parameter.empty if one.many or one.default is REQUIRED else one.default
    about = Parameter(
        help=one.help,
        required=True if one.default is REQUIRED else None,
        completer=completion.of_input(one.name, one.kind),
        show_default=str(one.default) if isinstance(one.default, str) else False,
    )
    annotation = one.kind | None if one.default is None else one.kind
    return inspect.Parameter(one.name, kind, default=default, annotation=Annotated[annotation, about])


def _flags_of(command: Command) -> list[inspect.Parameter]:
    kind = command.kind
    shown = [name for name in kind.model_fields if name not in (*command.fixed, *command.short)]
    few = len(shown) <= _FEW
    headings = {name: Settings.heading if few else kind.heading_of(name) for name in shown}
    order = dict.fromkeys(headings.values())
    groups = {name: Group(name, sort_key=number) for number, name in enumerate(order)}
    found = [_of_field(command, name, kind.model_fields[name], groups[headings[name]]) for name in shown]
    last = Group("Settings from a file", sort_key=len(order))
    if command.run or command.trains:
        found.append(_from_file(command, last))
    if command.explains:
        text = "Print each setting's value and where in the paper it comes from, and stop."
        found.append(_keyword(EXPLAIN, bool, Parameter(negative="", help=text, group=last)))
    return found


def _of_field(command: Command, name: str, field: FieldInfo, group: Group) -> inspect.Parameter:
    names = [flag(command, name), f"--{name.replace('_', '-')}"]
    if name in _ALSO:
        names.append(_ALSO[name])
    annotation = _plain_type(field)
    typed = _as_text(annotation)
    about = Parameter(
        name=tuple(dict.fromkeys(names)),
        help=_help(command.kind, name, field),
        group=group,
        show_default=_shown(field.default),
        completer=completion.of_setting(name),
        metavar=_metavar(field, annotation) if typed != annotation or _read_from_text(field) else None,
    )
    return _keyword(name, typed, about)


def _keyword(name: str, annotation: Any, about: Parameter) -> inspect.Parameter:
    kind = Annotated[annotation | None, about]  # None: it was not typed
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)


def _from_file(command: Command, group: Group) -> inspect.Parameter:
    names = ("--preset", "--from-run") if command.takes_times else ("--from", "--from-run")
    known = command.presets
    source = f"a preset ({', '.join(known.names())}) or of a run.toml" if known else "a run.toml"
    about = Parameter(
        name=names,
        help=f"Start from the settings of {source}; flags win over them.",
        completer=completion.presets(known) if known else None,
        group=group,
    )
    return _keyword(FILE, str, about)


def _help(kind: type[Settings], name: str, field: FieldInfo) -> str:
    text = " ".join((field.description or "").split())
    return f"{text} Range: {words}." if (words := bounds(kind, name)) else text


def _shown(default: object) -> str | bool:
    """A default as people write it; nothing for none, which the field's text explains."""
    if default is None or default in ("", ()):
        return False
    if isinstance(default, bool):
        return "yes" if default else "no"
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _plain_type(field: FieldInfo) -> Any:
    """The type that the command line reads; text where the settings read it themselves."""
    return str if _read_from_text(field) else _bare(field.annotation)


def _bare(annotation: Any) -> Any:
    """A type without None, and without what pydantic is told beside it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _bare(arguments[0])
    if origin in (Union, UnionType):
        kinds = [_bare(one) for one in arguments if one is not NoneType]
        return kinds[0] if len(kinds) == 1 else Union[tuple(kinds)]  # noqa: UP007 - made while running
    if origin is tuple:
        return tuple[tuple(one if one is ... else _bare(one) for one in arguments)]
    return annotation


def _as_text(annotation: Any) -> Any:
    """The same with text for numbers: the settings read them strictly, where 1.5 steps are none."""
    if annotation in (int, float):
        return str
    arguments = tuple(one if one is ... else _as_text(one) for one in get_args(annotation))
    if get_origin(annotation) is tuple:
        return tuple[arguments]
    if get_origin(annotation) is Union:
        return Union[arguments]  # noqa: UP007 - made while running
    return annotation


def _read_from_text(field: FieldInfo) -> bool:
    return any(isinstance(one, BeforeValidator) for one in marks(field))


def marks(field: FieldInfo) -> list[Any]:
    """What a setting's type says beside its kind, such as that a path must exist."""
    return _metadata(field.annotation, field.metadata)


def _metadata(annotation: Any, found: Sequence[Any]) -> list[Any]:
    if hasattr(annotation, "__metadata__"):
        return [*found, *annotation.__metadata__, *_metadata(get_args(annotation)[0], ())]
    if get_origin(annotation) in (Union, UnionType):
        return [*found, *(one for kind in get_args(annotation) for one in _metadata(kind, ()))]
    return list(found)


def _metavar(field: FieldInfo, annotation: Any) -> str:
    names = {int: "INT", float: "FLOAT"}
    if get_origin(annotation) is tuple:
        several = [names.get(one, "STR") for one in get_args(annotation) if one is not ...]
        return " ".join(several) if len(get_args(annotation)) == len(several) else f"{several[0]}..."
    if _read_from_text(field):
        names[float] = "TIME"
    return names.get(_bare(field.annotation), "STR")
