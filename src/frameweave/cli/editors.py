"""frameweave editors."""

import inspect
from typing import Any

from rich.markup import escape
from rich.table import Table

from frameweave.cli import console


def editors() -> None:
    """List the editors and their settings.

    With `--json` one line for each editor: the JSON schema of its settings.

    Example: `frameweave editors`, then `frameweave edit ... --editor framewise --set strength=0.8`.
    """
    from frameweave.editors import base  # noqa: PLC0415 - torch must not slow --help

    for name in base.names():
        kind = base.load(name)
        what = " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())
        schema = kind.model_json_schema()
        if console.machine():
            console.result(editor=name, what=what, settings=schema)
        else:
            console.out.print(_table(f"{name}: {what}", schema["properties"]))


def _table(title: str, settings: dict[str, dict[str, Any]]) -> Table:
    table = Table("setting", "default", "what it does", box=None, title=escape(title), title_justify="left")
    for name, about in settings.items():
        words = f" One of {', '.join(about['enum'])}." if "enum" in about else ""
        default = about["default"]
        written = ",".join(map(str, default)) if isinstance(default, list) else str(default)
        what = " ".join(str(about.get("description", "")).split())
        table.add_row(name, written, escape(what + words))
    return table
