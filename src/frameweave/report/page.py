"""One self-contained HTML page from the folder of a comparing run."""

import base64
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, select_autoescape

from frameweave.atomic import staged
from frameweave.run import read_run


@dataclass(frozen=True)
class Panel:
    """One video of a comparison, with what is to be said under it."""

    title: str
    video: str
    slice: str
    caption: str = ""


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
) -> Path:
    """Write `report.html` into a run folder; videos and pictures named in `rows` lie there too.

    `sheet` is a picture of training data.

    Everything is embedded, so the file can be sent around alone.
    """
    template = Environment(autoescape=select_autoescape(default=True)).from_string(
        (files("frameweave.report") / "templates" / "comparison.html").read_text(encoding="utf-8")
    )
    tables = read_run(folder)
    html = template.render(
        title=title,
        intro=intro,
        rows=rows,
        animation=animation,
        sheet=sheet,
        settings=tables["settings"],
        environment=tables["environment"],
        seconds=tables.get("result", {}).get("seconds", {}),
        data=lambda name: _data_url(folder / name),
    )
    target = folder / "report.html"
    with staged(target) as stage:
        stage.write_text(html, encoding="utf-8")
    return target


_TYPES = {".mp4": "video/mp4", ".png": "image/png", ".gif": "image/gif"}


def _data_url(path: Path) -> str:
    content = base64.b64encode(path.read_bytes()).decode()
    return f"data:{_TYPES[path.suffix]};base64,{content}"
