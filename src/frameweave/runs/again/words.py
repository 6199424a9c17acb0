"""Settings as people hand them on: the words of a command line, and lines of Python.

Only what differs from the defaults is said. What the words mean is read by the command line, which is made
from the same settings.
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import cast

from frameweave.runs.settings import Settings


def as_words(
    command: str, inputs: Sequence[str], settings: Settings, *, without: Collection[str] = ()
) -> list[str]:
    """The words of the command line that asks for these settings.

    `without` names settings that the command itself decides; they are no flags. Raises `ValueError` for a
    setting that was taken away and has no word for nothing.

    >>> from frameweave.study.options import StudyReportOptions
    >>> as_words("study report", ["runs/study"], StudyReportOptions(everybody=True, out=Path("runs/r")))
    ['frameweave', 'study', 'report', 'runs/study', '--everybody', '--out', 'runs/r']
    """
    said = changed(settings)
    idle = {name for name, _ in settings.idle(said)}  # flags that do nothing are refused
    flags = [
        word
        for name, value in said.items()
        if name not in without and name not in idle
        for word in _flag(name, value, _many(settings, name))
    ]
    # a text that begins with a dash is no flag behind the two dashes
    if any(text.startswith("-") for text in inputs):
        return ["frameweave", *command.split(), *flags, "--", *inputs]
    return ["frameweave", *command.split(), *inputs, *flags]


def as_python(work: str, given: Sequence[object], settings: Settings, *, kind_from: str = "") -> str:
    """A script that calls a library function, named as "module:function", with inputs and settings.

    `kind_from` is the module from which it takes the settings' class; default: where that is defined.

    >>> from frameweave.study.options import StudyReportOptions
    >>> report = "frameweave.study.results.report:study_report"
    >>> print(as_python(report, [Path("runs/study")], StudyReportOptions(everybody=True)))
    from pathlib import Path
    <BLANKLINE>
    from frameweave.study.options import StudyReportOptions
    from frameweave.study.results.report import study_report
    <BLANKLINE>
    options = StudyReportOptions(
        everybody=True,
    )
    study_report(Path('runs/study'), options)
    """
    module, _, name = work.partition(":")
    kind = type(settings)
    rows = [f"    {name}={_written(value)},\n" for name, value in changed(settings).items()]
    made = f"{kind.__name__}(\n{''.join(rows)})" if rows else f"{kind.__name__}()"
    call = f"options = {made}\n{name}({', '.join([*map(_written, given), 'options'])})"
    paths = "from pathlib import Path\n\n" if "Path(" in call else ""
    taken: dict[str, list[str]] = {}
    for place, one in ((kind_from or kind.__module__, kind.__name__), (module, name)):
        taken.setdefault(place, []).append(one)
    imports = [f"from {place} import {', '.join(taken[place])}" for place in sorted(taken)]
    return paths + "\n".join(imports) + f"\n\n{call}"


def changed(settings: Settings) -> Mapping[str, object]:
    """The settings that are not as usual."""
    found = {
        name: (getattr(settings, name), field.default) for name, field in type(settings).model_fields.items()
    }
    return {name: value for name, (value, usual) in found.items() if value != usual}


def _many(settings: Settings, name: str) -> bool:
    """Whether a setting is a list of any length, whose flag is given for each of its values."""
    return "..." in str(type(settings).model_fields[name].annotation)


def _flag(name: str, value: object, many: bool) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    if isinstance(value, tuple):
        texts = [_text(one) for one in cast("tuple[object, ...]", value)]
        if not many:
            return [flag, *texts]
        return [word for text in texts for word in _given(flag, text)] or [f"--empty-{flag[2:]}"]
    if value is None:
        raise ValueError(f"{name} was taken away, for which the command line has no word")
    return _given(flag, _text(value))


def _given(flag: str, text: str) -> list[str]:
    return [f"{flag}={text}"] if text.startswith("-") else [flag, text]


def _text(value: object) -> str:
    """Numbers without an exponent, as times are written."""
    text = str(value)
    return format(Decimal(text), "f") if isinstance(value, float) and "e" in text else text


def _written(value: object) -> str:
    if isinstance(value, Path):
        return f"Path({str(value)!r})"
    if isinstance(value, tuple | list):
        rows = [_written(one) for one in cast("Sequence[object]", value)]
        inside = ", ".join(rows)
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' if len(rows) == 1 else ''})"
    return repr(value)
