"""`--from`: the settings of a run file or of a preset, as flags in front of those that were typed."""

import typing
from typing import Any

from frameweave.runs.settings import Settings
from frameweave.training.presets import settings_of

FLAG = "--from"


def expanded(tokens: tuple[str, ...], kind: type[Settings]) -> list[str]:
    """The command line with the settings of its `--from` added; flags that were typed win over the file's.

    Raises `InputError` for a setting that `kind` does not have, naming the nearest, or of a wrong type.
    """
    source = _given(tokens)
    if source is None:
        return list(tokens)
    table, where = settings_of(source)
    settings = kind.of_table(table, where=where).table()
    typed = {token.partition("=")[0] for token in tokens}
    added: list[str] = []
    for name, field in kind.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        if name not in table or typed & {flag, f"--no-{flag[2:]}"}:
            continue
        value = settings[name]
        if isinstance(value, bool):
            added.append(flag if value else f"--no-{flag[2:]}")
            continue
        items = value if isinstance(value, list) else [value]
        added += (
            [flag, *map(str, items)]
            if _fixed_length(field.annotation)
            else [f"{flag}={item}" for item in items]
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
