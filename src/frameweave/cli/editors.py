"""frameweave editors."""

import dataclasses

from rich.table import Table

from frameweave.cli import console


def editors() -> None:
    """List the editors and their settings.

    Example: `frameweave editors`, then `frameweave edit ... --editor framewise --set strength=0.8`.
    """
    from frameweave.editors import base  # noqa: PLC0415 - torch must not slow --help

    for name in base.names():
        kind = base.load(name)
        table = Table(
            "setting",
            "default",
            box=None,
            title=f"{name}: {(kind.__doc__ or '').strip()}",
            title_justify="left",
        )
        for field in dataclasses.fields(kind):  # pyright: ignore[reportArgumentType]
            table.add_row(field.name, str(field.default))
        console.out.print(table)
