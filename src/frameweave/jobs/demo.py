"""The demo: a bundled clip, edited in four ways by each editor, without and with the adaptor; a report."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from frameweave.clip import Clip
from frameweave.editors import base
from frameweave.jobs.options import DemoOptions
from frameweave.jobs.pictures import grid, write_slice
from frameweave.miniature.clips import HeldOutClip, held_out_clips
from frameweave.miniature.grammar import phrase
from frameweave.model import depth as depth_model
from frameweave.model.adaptor import Adaptor, load_adaptor
from frameweave.model.backbone import Backbone
from frameweave.model.loading import MINIATURE, load
from frameweave.progress import SILENT, Progress
from frameweave.report.page import Panel, Row, write_page
from frameweave.run import Run

EDITS = {"noun": "elephant", "colour": "red", "background": "grass", "style": "cartoon"}
_TITLES = {
    "noun": "Another object",
    "colour": "Another colour",
    "background": "Another background",
    "style": "Another style",
}
EDITORS = ("framewise", "text2video_zero")


@dataclass(frozen=True)
class _Made:
    """One result of the demo."""

    attribute: str
    editor: str
    adapted: bool
    clip: Clip

    @property
    def title(self) -> str:
        return f"{self.editor} + adaptor" if self.adapted else self.editor

    @property
    def file(self) -> str:
        return f"{self.attribute}-{self.editor}{'-adaptor' if self.adapted else ''}"


def demo(options: DemoOptions, *, progress: Progress = SILENT) -> Path:
    """Edit the first bundled clip by every prompt with every editor, without and with the adaptor.

    Returns the report's path.
    """
    run = Run.start(options.out, "demo", options, overwrite=options.overwrite)
    held_out = held_out_clips()[0]
    seconds: dict[str, float] = {}
    start = time.perf_counter()
    model, adaptor = load(MINIATURE), load_adaptor(MINIATURE)
    estimator = depth_model.load(MINIATURE)
    source = Clip.read(held_out.path, frames=options.frames)
    assert estimator is not None
    depth = estimator.estimate(source.frames)
    seconds["load"] = round(time.perf_counter() - start, 2)
    made: list[_Made] = []
    active = adaptor.active(model.schedule, options.steps)
    progress.note(f"the adaptor acts in {active} of {options.steps} steps")
    for editor_name in EDITORS:
        editor = base.make(editor_name, {"steps": options.steps})
        for adapted in (False, True):
            start = time.perf_counter()
            with _backbone(model, adaptor if adapted else None) as backbone:
                for attribute, word in EDITS.items():
                    prompt = _prompt(held_out, attribute, word)
                    progress.note(f"{editor_name}{' with the adaptor' if adapted else ''}: {prompt}")
                    clip = base.edit_clip(
                        editor,
                        source,
                        prompt,
                        backbone,
                        source_prompt=held_out.caption,
                        depth=depth,
                        rng=torch.Generator().manual_seed(options.seed),
                        progress=progress,
                    )
                    made.append(_Made(attribute, editor_name, adapted, clip))
            took = round(time.perf_counter() - start, 2)
            seconds[f"{made[-1].title}, {len(EDITS)} edits"] = took
    rows = _written(options.out, held_out, source, made)
    run.finish({"report": "report.html", "seconds": seconds})
    return write_page(
        options.out,
        title="Frameweave demo",
        intro=(
            f"The source shows {held_out.caption}; the model never saw this combination. Each row is one "
            f"prompt, without and with the adaptor, which acts in {active} of {options.steps} steps. Since "
            "the clip comes from a procedural world, the perfect edit is known and shown last."
        ),
        rows=rows,
        animation="comparison.gif",
    )


@contextmanager
def _backbone(model: Backbone, adaptor: Adaptor | None) -> Generator[Backbone, None, None]:
    if adaptor is None:
        yield model
    else:
        with adaptor.on(model, tokens=False) as backbone:
            yield backbone


def _prompt(held_out: HeldOutClip, attribute: str, word: str) -> str:
    return phrase(held_out.words | {attribute: word})


def _written(folder: Path, held_out: HeldOutClip, source: Clip, made: list[_Made]) -> list[Row]:
    """Write every clip with its slice, and all of them as one animation."""
    rows: list[Row] = []
    sheet: list[tuple[str, Clip]] = []
    original = _panel(folder, "source", source)
    for attribute, word in EDITS.items():
        truth = held_out.rendered(len(source), **{attribute: word})
        results = [one for one in made if one.attribute == attribute]
        panels = [
            original,
            *(_panel(folder, one.file, one.clip, one.title) for one in results),
            _panel(folder, f"{attribute}-perfect", truth, "perfect edit"),
        ]
        rows.append(Row(_TITLES[attribute], _prompt(held_out, attribute, word), tuple(panels)))
        sheet += [
            (f"source, for {word}", source),
            *((one.title, one.clip) for one in results),
            ("perfect edit", truth),
        ]
    grid(sheet, columns=2 * len(EDITORS) + 2).write(folder / "comparison.gif")
    return rows


def _panel(folder: Path, name: str, clip: Clip, title: str = "source") -> Panel:
    clip.write(folder / f"{name}.mp4")
    write_slice(clip, folder / f"{name}.png")
    return Panel(title, f"{name}.mp4", f"{name}.png")
