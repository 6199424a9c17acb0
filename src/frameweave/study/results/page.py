"""A study's results as one page that opens without a network."""

from collections.abc import Mapping

from markupsafe import Markup

from frameweave.measuring.report.figures import Drawn
from frameweave.measuring.report.formats import web
from frameweave.measuring.report.table import Table
from frameweave.study.design import CRITERIA, Design
from frameweave.study.results.analysis import Analysis
from frameweave.video.pages import data_url, rendered


def study_page(design: Design, found: Analysis, tables: Mapping[str, Table], figure: Drawn) -> str:
    """The figure, the tables, what was asked, and who was left out."""
    return rendered(
        __package__ or "",
        "study.html",
        title=design.name,
        figure=data_url(figure.png, ".png"),
        width=figure.width,
        tables=[(table.title, Markup(web(table))) for table in tables.values()],
        questions=[(criterion, CRITERIA[criterion]) for criterion in design.criteria],
        pairs=len(design.pairs),
        clips=len({pair.clip for pair in design.pairs}),
        raters=found.raters,
        kept=found.raters - len(found.excluded),
        answers=found.answers,
    )
