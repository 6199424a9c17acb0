"""The report of an experiment as one HTML file: tables, figures, and a player for every edit.

Nothing is fetched: pictures and programs are inside. A page shows frames out of one picture a clip, drawn
on canvases from one clock, so clips side by side can never drift apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from frameweave.measuring.records import MetricInfo
from frameweave.measuring.report.clips import shown_clips
from frameweave.measuring.report.figures import Drawn
from frameweave.measuring.report.formats import web
from frameweave.measuring.report.results import Results
from frameweave.measuring.report.table import Table
from frameweave.runs.atomic import write_text
from frameweave.video.filmstrips import Shown
from frameweave.video.pages import data_url, rendered


@dataclass(frozen=True, eq=False, kw_only=True)
class Page:
    """What the page shows besides the clips."""

    title: str
    tables: Sequence[Table]
    figures: Sequence[tuple[str, Drawn]]
    """Captions and figures."""


def write_grid_page(results: Results, page: Page, metric: MetricInfo | None, target: Path) -> Path:
    """Write the page; clips come by what each editor's first adaptor gains in `metric`, None shows none."""
    shown = Shown() if metric is None else shown_clips(results, metric)
    html = rendered(
        __package__ or "",
        "grid.html",
        title=page.title,
        test_set=results.run.test_set,
        stand_ins=results.stand_ins,
        tables=[(table.title, Markup(web(table))) for table in page.tables],
        figures=[(caption, data_url(drawn.png, ".png"), drawn.width) for caption, drawn in page.figures],
        metrics=results.metrics,
        metric=metric,
        arms=sorted({arm for editor in results.editors if (arm := results.shown_arm(editor))}),
        failed=[cell for cell in results.cells if cell.error],
        shown=shown,
        data=Markup(shown.json),
        settings=results.run.settings,
        environment=results.run.environment,
    )
    write_text(target, html)
    return target
