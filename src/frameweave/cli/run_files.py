"""`--from`: the settings of a run file or of a preset, as flags in front of those that were typed."""

import dataclasses
import typing
from importlib.resources import files
from pathlib import Path
from typing import Any

from frameweave.errors import InputError
from frameweave.settings import from_table, read_toml, to_table

FLAG = "--from"
_PRESETS = files("frameweave.training") / "presets"


def presets() -> list[str]:
    """Names of the run files that ship in the package."""
    return sorted(path.name.removesuffix(".toml") for path in _PRESETS.iterdir() if path.name[0] != "_")


def settings_of(name: str) -> tuple[dict[str, Any], str]:
    """The [settings] of a preset, a run.toml, or a run folder; and the file's name for messages.

    Raises `InputError` when there is no such file, or it is no run file.
    """
    if name in presets():
        path = Path(str(_PRESETS / f"{name}.toml"))
    else:
        path = Path(name) / "run.toml" if Path(name).is_dir() else Path(name)
        if not path.is_file():
            raise InputError(
                f"{FLAG} {name}: no such file, and no preset", hint=f"presets are {', '.join(presets())}"
            )
    table = read_toml(path).get("settings")
    if not isinstance(table, dict):
        raise InputError(f"{path}: has no [settings]", hint="give a run.toml that frameweave wrote")
    return table, str(path)


def expanded(tokens: tuple[str, ...], kind: type[Any]) -> list[str]:
    """The command line with the settings of its `--from` added; flags that were typed win over the file's.

    Raises `InputError` for a setting that `kind` does not have, naming the nearest, or of a wrong type.
    """
    name = _given(tokens)
    if name is None:
        return list(tokens)
    table, where = settings_of(name)
    settings = to_table(from_table(kind, table, where=where))
    typed = {token.partition("=")[0] for token in tokens}
    added: list[str] = []
    for field in dataclasses.fields(kind):
        flag = f"--{field.name.replace('_', '-')}"
        if field.name not in table or typed & {flag, f"--no-{flag[2:]}"}:
            continue
        value = settings[field.name]
        if isinstance(value, bool):
            added.append(flag if value else f"--no-{flag[2:]}")
            continue
        items = value if isinstance(value, list) else [value]
        added += (
            [flag, *map(str, items)] if _fixed_length(field.type) else [f"{flag}={item}" for item in items]
        )
    return [*tokens, *added]


def _fixed_length(kind: Any) -> bool:
    """Whether a flag takes several values at once, as tuple[float, float] does."""
    return typing.get_origin(kind) is tuple and ... not in typing.get_args(kind)


def _given(tokens: tuple[str, ...]) -> str | None:
    for index, token in enumerate(tokens):
        flag, equals, value = token.partition("=")
        if flag == FLAG:
            if equals:
                return value
            if index + 1 < len(tokens):
                return tokens[index + 1]
    return None
