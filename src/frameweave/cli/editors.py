"""frameweave editors: the editors and their settings."""

from collections.abc import Iterator, Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from frameweave.cli import console
from frameweave.editing.listed import Listed, Setting, listed, settings_of
from frameweave.errors import InputError
from frameweave.progress import SILENT, Progress
from frameweave.runs.settings import Settings


def editors(
    names: Sequence[str], options: Settings, *, progress: Progress = SILENT
) -> Iterator[Mapping[str, object]] | None:
    """All editors, or those of these names with their settings.

    Tables for people; for programs a line for each editor, with the JSON schema of its settings. Raises
    `InputError` for a name that no editor has.
    """
    known = {one.editor: one for one in listed()}
    if unknown := next((name for name in names if name not in known), None):
        raise InputError.unknown("editor", unknown, list(known))
    found = [known[name] for name in dict.fromkeys(names or known)]
    if console.machine():
        return (one.model_dump(exclude={"source"}) for one in found)
    for table in map(_settings, found) if names else [_overview(found)]:
        console.out.print(table)
    return None


def _overview(found: Sequence[Listed]) -> Table:
    table = Table(box=None, show_header=False, caption_justify="left")
    table.caption = "frameweave editors NAME lists the settings of one."
    for one in found:
        table.add_row(one.editor, escape(one.what))
    return table


def _settings(one: Listed) -> Table:
    title = escape(f"{one.editor}: {one.what}")
    table = Table("setting", "default", "what it does", box=None, title=title, title_justify="left")
    for name, setting in settings_of(one).items():
        table.add_row(name, *_row(setting))
    usual, *others = one.samplers
    table.add_row("--sampler", usual, f"Or {', '.join(others)}." if others else "No other.")
    return table


def _row(setting: Setting) -> tuple[str, str]:
    """Its default, and what it does."""
    default = setting.default
    written = ",".join(map(str, default)) if isinstance(default, list) else str(default)
    words = f" One of {', '.join(setting.enum)}." if setting.enum else ""
    return written, escape(" ".join(setting.description.split()) + words)
