"""A contact sheet as one self-contained HTML page."""

import base64
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, select_autoescape

from frameweave.atomic import staged


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
    template = Environment(autoescape=select_autoescape(default=True)).from_string(
        (files("frameweave.report") / "templates" / "sheet.html").read_text(encoding="utf-8")
    )
    html = template.render(
        title=title,
        about=about,
        samples=samples,
        data=lambda content: f"data:image/png;base64,{base64.b64encode(content).decode()}",
    )
    with staged(target) as stage:
        stage.write_text(html, encoding="utf-8")
    return target
