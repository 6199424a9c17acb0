"""One self-contained HTML page from the folder of a comparing run."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from frameweave.runs.atomic import staged
from frameweave.runs.run import read_run
from frameweave.video.pages import data_url, rendered


@dataclass(frozen=True)
class Panel:
    """One video of a comparison, with its x-t slice."""

    title: str
    video: str
    slice: str


@dataclass(frozen=True)
class Row:
    """One prompt and the videos that belong to it."""

    title: str
    prompt: str
    panels: tuple[Panel, ...]
    columns: int
    """Panels side by side, where the window is wide enough."""


def write_page(
    folder: Path,
    *,
    title: str,
    intro: str,
    rows: list[Row],
    animation: str | None = None,
    sheet: str | None = None,
    embedded: bool = True,
) -> Path:
    """Write `report.html` into a run folder; videos and pictures named in `rows` lie there too.

    `sheet` is a picture of training data.

    Everything is embedded, so the file can be sent around alone; or it is shown from where it lies.
    """
    run = read_run(folder)
    html = rendered(
        __package__ or "",
        "comparison.html",
        title=title,
        intro=intro,
        rows=rows,
        animation=animation,
        sheet=sheet,
        settings=run.settings,
        environment=run.environment,
        seconds=(run.result or {}).get("seconds", {}),
        data=partial(_embedded, folder) if embedded else quote,
    )
    target = folder / "report.html"
    with staged(target) as stage:
        stage.write_text(html, encoding="utf-8")
    return target


def _embedded(folder: Path, name: str) -> str:
    return data_url((folder / name).read_bytes(), Path(name).suffix)
