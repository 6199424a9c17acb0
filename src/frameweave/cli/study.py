"""frameweave study: build a pairwise study, serve it, report it."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from frameweave.cli import console
from frameweave.errors import InputError
from frameweave.study.options import StudyNewOptions, StudyReportOptions, StudyServeOptions

_TOKEN = "FRAMEWEAVE_ADMIN_TOKEN"
_SHORTEST = 12


def new(
    *runs: Path,
    options: Annotated[StudyNewOptions, Parameter(name="*")] = StudyNewOptions(),
) -> None:
    """Build a blinded study out of finished runs of `frameweave grid` or `ablation`.

    Says how many raters it needs, and with which chance it shows a preference of a given size.

    Example: `frameweave study new runs/grid --out runs/study`.

    Parameters
    ----------
    runs
        Run folders; each editor's clips that were edited by both systems become pairs.
    """
    from frameweave.study.new import new_study as job  # noqa: PLC0415 - torch must not slow --help

    planned = job(runs, options, progress=console.progress())
    console.result(
        folder=None if planned.folder is None else str(planned.folder),
        pairs=planned.pairs,
        clips=planned.clips,
        raters=planned.raters,
        power={f"{found.share:g}": found.power for found in planned.power},
    )


def serve(
    folder: Path = Path("runs/study"),
    /,
    *,
    options: Annotated[StudyServeOptions, Parameter(name="*")] = StudyServeOptions(),
) -> None:
    """Serve a study to browsers until Ctrl-C. Answers are kept; the same command goes on.

    The token for the results' pages is printed, or taken from FRAMEWEAVE_ADMIN_TOKEN.

    Example: `frameweave study serve runs/study --port 8000`.

    Parameters
    ----------
    folder
        What `frameweave study new` wrote.
    """
    from frameweave.study.server.serve import serve as job  # noqa: PLC0415

    admin = os.environ.get(_TOKEN)
    if admin is not None and len(admin) < _SHORTEST:
        raise InputError(f"{_TOKEN} has {len(admin)} letters, expected at least {_SHORTEST}")
    job(folder, options, admin=admin, progress=console.progress())


def report(
    folder: Path = Path("runs/study"),
    /,
    *,
    options: Annotated[StudyReportOptions, Parameter(name="*")] = StudyReportOptions(),
) -> None:
    """Write tables, the preference figure, all answers, and one page.

    Example: `frameweave study report runs/study`.

    Parameters
    ----------
    folder
        What `frameweave study new` wrote.
    """
    from frameweave.study.results.report import study_report as job  # noqa: PLC0415

    done = job(folder, options)
    console.result(
        report=str(done.page),
        raters=done.found.raters,
        left_out=len(done.found.excluded),
        answers=done.found.answers,
    )
