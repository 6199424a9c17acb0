"""Tables and the preference figure of a study, from its answers."""

import json
from dataclasses import dataclass
from pathlib import Path

from frameweave.errors import RunError
from frameweave.measuring.report.files import write_figure, write_table
from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import write_text
from frameweave.study.folder import ANSWERS, read_design
from frameweave.study.options import StudyReportOptions
from frameweave.study.results.analysis import Analysis, analysed
from frameweave.study.results.export import answers_csv, named_answers
from frameweave.study.results.figure import preference_figure
from frameweave.study.results.page import study_page
from frameweave.study.results.tables import study_tables
from frameweave.study.server.serve import open_store


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What was written, and what it says."""

    folder: Path
    page: Path
    found: Analysis


def study_report(folder: Path, options: StudyReportOptions, *, progress: Progress = SILENT) -> Reported:
    """Write answers, tables in every format, Figure 3 as PNG and SVG, and one page with all of it.

    Raises `DataError` when the folder holds no study, `RunError` when nobody has answered yet.
    """
    design = read_design(folder)
    if options.database is None and not (folder / ANSWERS).is_file():
        raise RunError(f"{folder}: nobody has answered yet", hint="serve it first: `frameweave study serve`")
    store = open_store(folder, design, options.database)
    answers = store.answers()
    store.close()
    if not answers:
        raise RunError(f"{folder}: nobody has answered yet", hint="wait for answers")
    out = options.out or folder / "report"
    found = analysed(design, answers, exclude=not options.everybody)
    tables = study_tables(found)
    for name, table in tables.items():
        write_table(out, name, table)
    figure = preference_figure(found)
    write_figure(out, "preferences", figure)
    write_text(out / "answers.csv", answers_csv(design, answers))
    write_text(out / "answers.json", json.dumps(named_answers(design, answers), indent=1))
    page = out / "study.html"
    write_text(page, study_page(design, found, tables, figure))
    return Reported(folder=out, page=page, found=found)
