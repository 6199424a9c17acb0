"""frameweave editors."""

import dataclasses
import inspect
from typing import Any

from rich.markup import escape
from rich.table import Table

from frameweave.cli import console
from frameweave.cli.field_docs import field_docs


def editors() -> None:
    """List the editors and their settings.

    Example: `frameweave editors`, then `frameweave edit ... --editor framewise --set strength=0.8`.
    """
    from frameweave.editors import base  # noqa: PLC0415 - torch must not slow --help

    for name in base.names():
        kind: Any = base.load(name)
        what = " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())
        docs = field_docs(kind)
        settings = {
            field.name: {"default": field.default, "what": docs.get(field.name, "")}
            | ({"choices": words} if (words := base.choices(field.type)) else {})
            for field in dataclasses.fields(kind)
        }
        if console.machine():
            console.result(editor=name, what=what, settings=settings)
        else:
            console.out.print(_table(f"{name}: {what}", settings))


def _table(title: str, settings: dict[str, dict[str, Any]]) -> Table:
    table = Table("setting", "default", "what it does", box=None, title=escape(title), title_justify="left")
    for name, about in settings.items():
        words = f" One of {', '.join(about['choices'])}." if "choices" in about else ""
        default = about["default"]
        written = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
        table.add_row(name, written, escape(about["what"] + words))
    return table
