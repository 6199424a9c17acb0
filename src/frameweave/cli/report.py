"""frameweave report."""

from pathlib import Path

from frameweave.cli import console


def report(run: Path, /, *, out: Path | None = None) -> None:
    """Draw a grid or an ablation: tables (Markdown, LaTeX, CSV, HTML), figures, and one page to open.

    Example: `frameweave report runs/grid`, then open `runs/grid/report.html`.

    Parameters
    ----------
    run
        The folder of the grid or the ablation; it may be unfinished.
    out
        Where to write; default: into that folder.
    """
    from frameweave.jobs.report import report as job  # noqa: PLC0415 - scipy must not slow --help

    console.result(report=str(job(run, out, progress=console.progress())))
