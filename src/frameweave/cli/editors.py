"""frameweave editors: the editors and their settings."""

import inspect
from collections.abc import Iterator
from typing import Any

from rich.markup import escape
from rich.table import Table

from frameweave.cli import console
from frameweave.progress import SILENT, Progress
from frameweave.runs.settings import Settings


def editors(options: Settings, *, progress: Progress = SILENT) -> Iterator[dict[str, Any]] | None:
    """Tables for people; for programs a line for each editor, with the JSON schema of its settings."""
    from frameweave.editors import base

    kinds = {name: base.load(name) for name in base.names()}
    found: list[dict[str, Any]] = [
        {
            "editor": name,
            "what": " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split()),
            "settings": kind.model_json_schema(),
        }
        for name, kind in kinds.items()
    ]
    if console.machine():
        return iter(found)
    for one in found:
        console.out.print(_table(f"{one['editor']}: {one['what']}", one["settings"]["properties"]))
    return None


def _table(title: str, settings: dict[str, dict[str, Any]]) -> Table:
    table = Table("setting", "default", "what it does", box=None, title=escape(title), title_justify="left")
    for name, about in settings.items():
        words = f" One of {', '.join(about['enum'])}." if "enum" in about else ""
        default = about["default"]
        written = ",".join(map(str, default)) if isinstance(default, list) else str(default)
        what = " ".join(str(about.get("description", "")).split())
        table.add_row(name, written, escape(what + words))
    return table
