"""frameweave editors: the editors and their settings."""

from collections.abc import Iterator, Mapping

from rich.markup import escape
from rich.table import Table

from frameweave.cli import console
from frameweave.editing.listed import listed
from frameweave.progress import SILENT, Progress
from frameweave.runs.records import Record
from frameweave.runs.settings import Settings


class _Setting(Record):
    """What people are told of a setting, in its JSON schema."""

    default: object = ""
    description: str = ""
    enum: tuple[str, ...] = ()

    @property
    def row(self) -> tuple[str, str]:
        """Its default, and what it does."""
        default = self.default
        written = ",".join(map(str, default)) if isinstance(default, list) else str(default)  # pyright: ignore
        words = f" One of {', '.join(self.enum)}." if self.enum else ""
        return written, escape(" ".join(self.description.split()) + words)


class _Schema(Record):
    properties: dict[str, _Setting]


def editors(options: Settings, *, progress: Progress = SILENT) -> Iterator[Mapping[str, object]] | None:
    """Tables for people; for programs a line for each editor, with the JSON schema of its settings."""
    found = listed()
    if console.machine():
        return (one.model_dump(exclude={"source"}) for one in found)
    for one in found:
        table = Table(
            "setting",
            "default",
            "what it does",
            box=None,
            title=escape(f"{one.editor}: {one.what}"),
            title_justify="left",
        )
        for setting, about in _Schema.model_validate(one.settings).properties.items():
            table.add_row(setting, *about.row)
        usual, *others = one.samplers
        table.add_row("--sampler", usual, f"Or {', '.join(others)}." if others else "No other.")
        console.out.print(table)
    return None
