"""How every report lays out its files: tables in all formats, figures in both."""

from pathlib import Path

from frameweave.measuring.report.figures import Drawn
from frameweave.measuring.report.formats import FORMATS
from frameweave.measuring.report.table import Table
from frameweave.runs.atomic import staged


def write_table(folder: Path, name: str, table: Table) -> None:
    """Into `folder`/tables, a file for each format."""
    for suffix, form in FORMATS.items():
        _write(folder / "tables" / f"{name}.{suffix}", form(table).encode())


def write_figure(folder: Path, name: str, drawn: Drawn) -> None:
    """Into `folder`/figures, as PNG and as SVG."""
    _write(folder / "figures" / f"{name}.png", drawn.png)
    _write(folder / "figures" / f"{name}.svg", drawn.svg)


def _write(path: Path, content: bytes) -> None:
    with staged(path) as stage:
        stage.write_bytes(content)
