"""The HTML page of a comparing run, in its folder."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from frameweave.runs.atomic import write_text
from frameweave.runs.run import read_run
from frameweave.video.pages import rendered


@dataclass(frozen=True)
class Panel:
    """One video of a comparison, with its x-t slice."""

    title: str
    video: str
    slice: str

    @classmethod
    def of(cls, title: str) -> "Panel":
        """Its files are named after it.

        >>> Panel.of("delta + adaptor").video
        'delta-adaptor.mp4'
        """
        stem = title.replace(" + ", "-")
        return cls(title, f"{stem}.mp4", f"{stem}.png")


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
) -> Path:
    """Write `report.html` into a run folder; the videos and pictures named in `rows` are shown from there."""
    run = read_run(folder)
    html = rendered(
        __package__ or "",
        "comparison.html",
        title=title,
        intro=intro,
        rows=rows,
        settings=run.settings,
        environment=run.environment,
        address=quote,
    )
    target = folder / "report.html"
    write_text(target, html)
    return target
