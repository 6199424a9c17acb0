"""A contact sheet as one self-contained HTML page."""

from dataclasses import dataclass
from pathlib import Path

from frameweave.runs.atomic import staged
from frameweave.video.pages import data_url, rendered


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One row: pictures as PNG files, and words."""

    title: str
    about: str
    frames: tuple[bytes, ...]
    depth: tuple[bytes, ...]
    captions: tuple[str, ...]


def write_sheet(target: Path, *, title: str, about: str, samples: list[Sample]) -> Path:
    """Write the page; everything is embedded. Captions are shown as text, whatever they hold."""
    html = rendered(
        __package__ or "",
        "sheet.html",
        title=title,
        about=about,
        samples=samples,
        data=lambda content: data_url(content, ".png"),
    )
    with staged(target) as stage:
        stage.write_text(html, encoding="utf-8")
    return target
