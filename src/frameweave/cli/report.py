"""frameweave report."""

from pathlib import Path

from frameweave.cli import console


def report(run: Path, /, *, out: Path | None = None) -> None:
    """Draw the tables of a grid or an ablation, as Markdown, LaTeX, CSV and HTML.

    Example: `frameweave report runs/grid`.

    Parameters
    ----------
    run
        The folder of the grid or the ablation; it may be unfinished.
    out
        Where to write; default: into that folder.
    """
    from frameweave.jobs.report import report as job  # noqa: PLC0415 - scipy must not slow --help

    written = job(run, out, progress=console.progress())
    console.result(folder=str(written[0].parent), files=len(written))
