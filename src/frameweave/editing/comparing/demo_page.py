"""The demo's page: a wipe between source and edit, and how much each flickers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from markupsafe import Markup
from torch import Tensor

from frameweave.editing.steadying.figures import Measuring
from frameweave.runs.atomic import write_text
from frameweave.runs.run import read_run
from frameweave.video.filmstrips import Panel, Shown, ShownClip, filmstrip
from frameweave.video.pages import rendered

_LEVELS = 255


@dataclass(frozen=True)
class Edit:
    """What one editor made of a prompt."""

    editor: str
    prompt: str
    source_prompt: str
    videos: Mapping[str, str]
    """By title: the source first, then its edits, then the true edit."""
    flickers: Mapping[str, float]
    """By title, as far as they are known."""
    strange: bool = False
    """Whether the model never saw what the source shows."""


def flicker(source: Float[Tensor, "F 3 H W"], edited: Float[Tensor, "F 3 H W"]) -> float:
    """How much neighbouring frames differ along the motion of the source, in levels of 255."""
    measuring = Measuring()
    for before, frame in zip(source.split(1), edited.split(1), strict=False):
        measuring.add(before, frame, frame)
    return _LEVELS * (measuring.figures().temporal_error_before or 0.0)


def write_page(folder: Path, name: str, edits: Sequence[Edit]) -> Path:
    """Write a page into a run folder in which the videos lie; it holds them all, each once."""
    run = read_run(folder)
    videos = list(dict.fromkeys(video for edit in edits for video in edit.videos.values()))
    shown = Shown(
        clips=tuple(_clip(edit, videos) for edit in edits),
        pictures=tuple(filmstrip(folder / video) for video in videos),
        left="source",
    )
    html = rendered(
        __package__ or "",
        "demo.html",
        title="Frameweave demo",
        strange=next((edit.source_prompt for edit in edits if edit.strange), ""),
        data=Markup(shown.json),
        settings=run.settings,
        environment=run.environment,
    )
    target = folder / name
    write_text(target, html)
    return target


def _clip(edit: Edit, videos: Sequence[str]) -> ShownClip:
    return ShownClip(
        editor=edit.editor,
        gain=None,
        prompt=edit.prompt,
        source_prompt=edit.source_prompt,
        panels=tuple(
            Panel(
                title=title,
                picture=videos.index(video),
                line=f"flicker {edit.flickers[title]:.1f}" if title in edit.flickers else "",
            )
            for title, video in edit.videos.items()
        ),
    )
