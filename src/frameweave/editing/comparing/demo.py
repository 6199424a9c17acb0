"""The demo: edits by several editors, without and with the adaptor; training data; one report."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from frameweave.adaptor.adaptor import Adaptor, load_adaptor
from frameweave.diffusion.inversion import Remembered
from frameweave.editing.adapting import adapted, use_of
from frameweave.editing.comparing.demo_data import prepared_data
from frameweave.editing.comparing.page import Panel, Row, write_page
from frameweave.editing.options import DemoOptions, ModelOptions
from frameweave.editors import base
from frameweave.models import depth as depth_model
from frameweave.models.loading.choice import MINIATURE
from frameweave.models.loading.load import load
from frameweave.progress import SILENT, Progress
from frameweave.runs.run import PlannedRun, Run
from frameweave.video.clip import Clip
from frameweave.video.pictures import grid, write_slice
from frameweave.world.clips import HeldOutClip, held_out_clips
from frameweave.world.grammar import phrase

EDITS = {"noun": "elephant", "style": "cartoon"}
EDITORS = ("framewise", "text2video_zero", "tokenflow", "vid2vid_zero", "vidtome")
"""A few of different kinds, so that a demo stays short."""
_PAGE = "report.html"
_TITLES = {"noun": "Another object", "style": "Another style"}


@dataclass(frozen=True)
class _Made:
    """One result of the demo."""

    attribute: str
    editor: str
    adapted: bool
    clip: Clip
    silent: bool = False
    """Whether the adaptor has no part in it, as it says for the editor."""

    @property
    def title(self) -> str:
        if self.silent:
            return f"{self.editor} (adaptor silent)"
        return f"{self.editor} + adaptor" if self.adapted else self.editor

    @property
    def file(self) -> str:
        return f"{self.attribute}-{self.editor}{'-adaptor' if self.adapted else ''}"


def demo(options: DemoOptions, *, progress: Progress = SILENT) -> Path:
    """Edit the first bundled clip by every prompt with every one of `EDITORS`, without and with the adaptor.

    Returns the report's path.
    """
    anew = options.overwrite
    plan = Run.planned(options.out, "demo", options, overwrite=anew, resume=not anew)
    if plan.finished is not None:
        progress.note("this demo is finished already; --overwrite makes it anew")
        return options.out / _PAGE
    with plan.held():
        return _shown(plan, options, progress)


def _shown(plan: PlannedRun, options: DemoOptions, progress: Progress) -> Path:
    held_out = held_out_clips()[0]
    seconds: dict[str, float] = {}
    start = time.perf_counter()
    model, adaptor = load(MINIATURE), load_adaptor(MINIATURE)
    estimator = depth_model.load(MINIATURE)
    source = Clip.read(held_out.path, frames=options.frames)
    assert estimator is not None
    depth = estimator.estimate(source.frames)
    seconds["load"] = round(time.perf_counter() - start, 2)
    run = plan.start()
    editors = {name: base.make(name, {"steps": options.steps}) for name in EDITORS}
    run.will_write(*_files(editors))
    made: list[_Made] = []
    for editor_name, editor in editors.items():
        for with_adaptor in (False, True):
            start = time.perf_counter()
            inversions = Remembered()
            chosen = ModelOptions(adaptor=MINIATURE if with_adaptor else None)
            if with_adaptor and use_of(adaptor, chosen, editor_name, model.schedule.T).silent:
                made += [replace(one, adapted=True, silent=True) for one in made if one.editor == editor_name]
                continue
            with adapted(model, chosen, editor_name, editor, progress) as adapted_model:
                for attribute, word in EDITS.items():
                    prompt = _prompt(held_out, attribute, word)
                    progress.note(f"{editor_name}{' with the adaptor' if with_adaptor else ''}: {prompt}")
                    clip = base.edit_clip(
                        editor,
                        source,
                        prompt,
                        adapted_model,
                        source_prompt=held_out.caption,
                        depth=depth,
                        inversions=inversions,
                        rng=torch.Generator().manual_seed(options.seed),
                        progress=progress,
                    )
                    made.append(_Made(attribute, editor_name, with_adaptor, clip))
            took = round(time.perf_counter() - start, 2)
            seconds[f"{made[-1].title}, {len(EDITS)} edits"] = took
    rows = _written(options.out, held_out, source, made)
    start = time.perf_counter()
    sheet = prepared_data(options.out / "data", seed=options.seed, progress=progress)
    seconds["preparing training data"] = round(time.perf_counter() - start, 2)
    run.finish({"report": _PAGE, "seconds": seconds})
    page = write_page(
        options.out,
        title="Frameweave demo",
        intro=(
            f"The source shows {held_out.caption}; the model never saw this combination. Of each prompt "
            "the upper row shows each editor alone, the lower row with the adaptor"
            f"{_how(adaptor, [one.editor for one in made if one.silent])}. "
            "Since the clip comes from a procedural world, the perfect edit is known; it stands below "
            "the source."
        ),
        rows=rows,
        animation="comparison.gif",
        sheet=sheet.relative_to(options.out).as_posix(),
    )
    run.wrote(_PAGE)
    return page


def _files(editors: Iterable[str]) -> list[str]:
    """What the demo writes, but for the training data, which is made anew by itself."""
    edits = [f"{editor}{arm}" for editor in editors for arm in ("", "-adaptor")]
    stems = ["source", *(f"{attribute}-{name}" for attribute in EDITS for name in ("perfect", *edits))]
    return [*(f"{stem}{suffix}" for stem in stems for suffix in (".mp4", ".png")), "comparison.gif", _PAGE]


def _how(adaptor: Adaptor, silent: Sequence[str]) -> str:
    """In which editors the adaptor acts by its prompt tokens, and in which it does not act."""
    said = {"by its prompt tokens": adaptor.card.tokens_for, "not at all": dict.fromkeys(silent)}
    told = "; ".join(f"in {', '.join(editors)} {how}" for how, editors in said.items() if editors)
    return f" ({told})" if told else ""


def _prompt(held_out: HeldOutClip, attribute: str, word: str) -> str:
    return phrase(held_out.words | {attribute: word})


def _written(folder: Path, held_out: HeldOutClip, source: Clip, made: list[_Made]) -> list[Row]:
    """Write every clip with its slice, and all of them as one animation."""
    rows: list[Row] = []
    sheet: list[tuple[str, Clip]] = []
    original = _panel(folder, "source", source)
    for attribute, word in EDITS.items():
        prompt = _prompt(held_out, attribute, word)
        truth = held_out.rendered(len(source), **{attribute: word})
        panels: list[Panel] = []
        for with_adaptor in (False, True):
            results = [one for one in made if (one.attribute, one.adapted) == (attribute, with_adaptor)]
            first = (
                _panel(folder, f"{attribute}-perfect", truth, "perfect edit") if with_adaptor else original
            )
            panels += [first, *(_panel(folder, one.file, one.clip, one.title) for one in results)]
            sheet += [
                ("perfect edit", truth) if with_adaptor else (f"source, for {word}", source),
                *((one.title, one.clip) for one in results),
            ]
        rows.append(Row(_TITLES[attribute], prompt, tuple(panels), columns=len(panels) // 2))
    grid(sheet, columns=rows[0].columns).write(folder / "comparison.gif")
    return rows


def _panel(folder: Path, name: str, clip: Clip, title: str = "source") -> Panel:
    clip.write(folder / f"{name}.mp4")
    write_slice(clip, folder / f"{name}.png")
    return Panel(title, f"{name}.mp4", f"{name}.png")
