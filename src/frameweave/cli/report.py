"""frameweave report."""

from pathlib import Path

from frameweave.cli import console


def report(*runs: Path, out: Path | None = None) -> None:
    """Draw a grid or an ablation: tables (Markdown, LaTeX, CSV, HTML), figures, and one page to open.

    Example: `frameweave report runs/grid`, then open `runs/grid/report.html`.

    Parameters
    ----------
    runs
        Folders of grids and ablations, which may be unfinished; several make one report. Folders of
        trainings add their losses.
    out
        Where to write; default: into the first folder.
    """
    from frameweave.measuring.draw import report as job  # noqa: PLC0415 - scipy must not slow --help

    console.result(report=str(job(runs, out, progress=console.progress())))
