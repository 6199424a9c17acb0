"""Every editor side by side, without and with the adaptor: a page with players, one grid, x-t slices."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from frameweave.editing.adapting import adapted
from frameweave.editing.advice import advise
from frameweave.editing.footage import Fit, Footage
from frameweave.editing.inputs import given_to_edit
from frameweave.editing.options import EditOptions
from frameweave.editing.page import Panel, Row, write_page
from frameweave.editing.setup import inversions_of, lacks_for_depth, load_model
from frameweave.editing.sheet import Layout, write_picture, write_sheet
from frameweave.editors import base
from frameweave.editors.request import Inversions
from frameweave.errors import InputError
from frameweave.models import depth as depth_model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Progress
from frameweave.runs.places import Numbered
from frameweave.runs.run import Run
from frameweave.video import VideoWriter, probe
from frameweave.video.clip import Clip
from frameweave.video.pictures import save_picture, xt_slice

_MOST = 64
"""Frames that are compared at most, since an editor's result is held in memory."""
_SHEETS = {"comparison.mp4": (1920, 2160), "comparison.gif": (960, 1080), "slices.png": (1920, 1080)}
"""All panels in one: the width and height that they have at most."""
_PAGE = "report.html"
_AT_ONCE = 4  # frames that are brought back to their size


def compare(video: Path, prompt: str, options: EditOptions, *, progress: Progress = SILENT) -> dict[str, Any]:
    """Edit `video` with every editor into the run folder `options.out`; return the files' paths.

    Each edit is kept as soon as it is finished, and not made again when the same command is given once
    more. A page with players shows them all. The adaptor is the one of the options; on the packaged model its
    own is taken by default. Raises `InputError` for more than 64 frames, and what `edit` raises, before an
    earlier run is replaced.
    """
    adaptor = options.adaptor or (options.model if options.model == "miniature" else None)
    acting = options.replaced(adaptor=adaptor)
    editors = base.make_each({"steps": options.steps, "guidance": options.guidance}, options.set)
    info = probe(video)
    footage = Footage(info, options.frames, options.fps, options.start, options.end)
    for note in footage.check(progress).notes:
        progress.note(note)
    given = given_to_edit(video, [prompt], acting)
    place, anew = options.out or Numbered("edit", prompt), options.overwrite
    resume = options.resume and not anew
    plan = Run.planned(place, "edit", options, given=given, overwrite=anew, resume=resume)
    if plan.finished is not None:
        progress.note("this comparison is finished already")
        return _files(plan.folder, plan.finished)
    with plan.held():
        model = load_model(options)
        fit = Fit.of((info.width, info.height), options.size or model.native, model.multiple)
        advise(options, [prompt, options.source_prompt], progress, fit)
        parts = list(footage.batches(fit, _MOST + 1))
        if len(parts[0]) > _MOST:
            raise InputError(f"--compare takes at most {_MOST} frames", hint=f"give --frames up to {_MOST}")
        source = Clip.of(parts[0], fps=float(options.fps or info.fps))
        estimator = depth_model.load(options.model, options.depth_model, device=options.device)
        lacks = lacks_for_depth(model, estimator)
        for name, editor in editors.items():
            with adapted(model, acting, name, editor, SILENT):
                pass  # an adaptor that does not fit is told now
            if editor.needs_depth and lacks:
                progress.note(f"{name} is left out: the model has no {lacks[0]}")
        chosen = {name: editor for name, editor in editors.items() if not (editor.needs_depth and lacks)}
        arms = {"": options.without_adaptor()} | ({} if adaptor is None else {" + adaptor": acting})
        work = _Work(
            model=model,
            source=source,
            prompt=prompt,
            depth=None if estimator is None else estimator.estimate(source.frames),
            inversions=inversions_of(model, arms[""], list(editors.values()), progress),
            fit=fit,
            progress=progress,
        )
        run = plan.start()
        rows = [["source", *(f"{name}{arm}" for name in chosen)] for arm in arms]
        stems = {label: label.replace(" + ", "-") for row in rows for label in row}
        run.will_write(*(f"{stem}{end}" for stem in stems.values() for end in (".mp4", ".png")))
        run.will_write(*_SHEETS, _PAGE)
        work.keep(run, "source", lambda: source)
        for name, editor in chosen.items():
            for arm, asked in arms.items():
                progress.note(f"{name}{arm}")
                work.keep(run, stems[f"{name}{arm}"], partial(work.edited, name, editor, asked))
        return _shown(run, rows, stems, work)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Work:
    """What all edits of a comparison have in common."""

    model: StableDiffusion
    source: Clip
    prompt: str
    depth: Tensor | None
    inversions: Inversions
    fit: Fit
    progress: Progress

    def edited(self, name: str, editor: base.Editor, options: EditOptions) -> Clip:
        """An edit at the model's size."""
        with adapted(self.model, options, name, editor, self.progress) as adapted_model:
            return base.edit_clip(
                editor,
                self.source,
                self.prompt,
                adapted_model,
                source_prompt=options.source_prompt,
                negative_prompt=options.negative_prompt,
                depth=self.depth,
                inversions=None if options.adaptor else self.inversions,  # adapted edits keep none
                rng=torch.Generator().manual_seed(options.seed),
                progress=self.progress,
            )

    def keep(self, run: Run, stem: str, made: Callable[[], Clip]) -> None:
        """Write a clip at the source's size and its x-t slice, unless they are there."""
        video, slice_ = f"{stem}.mp4", f"{stem}.png"
        if run.whole(video) and run.whole(slice_):
            return
        clip, lines = made(), list[Tensor]()
        with VideoWriter(run.folder / video, size=self.fit.original, fps=clip.fps) as writer:
            times = zip(clip.times, clip.times[1:], strict=False)
            for frames in clip.frames.split(_AT_ONCE):
                shown = Clip.of(self.fit.undo(frames))
                lines.append(xt_slice(shown.frames))
                for pixels in shown.pixels():
                    start, end = next(times)
                    writer.write(pixels, start, end - start)
        save_picture(torch.cat(lines, 1), run.folder / slice_)
        run.wrote(video)
        run.wrote(slice_)


def _shown(run: Run, rows: list[list[str]], stems: dict[str, str], work: _Work) -> dict[str, Any]:
    """The page, and all panels in one: without the adaptor above, with it below."""
    labels = [label for row in rows for label in row]
    panels = [Panel(label, f"{stems[label]}.mp4", f"{stems[label]}.png") for label in labels]
    count, columns = len(work.source), len(rows[0])
    for name, most in _SHEETS.items():
        target = run.folder / name
        if name.endswith(".png"):
            size = (work.fit.original[0], count)
            layout = Layout.of(len(labels), columns=columns, size=size, most=most)
            write_picture([(panel.title, run.folder / panel.slice) for panel in panels], target, layout)
            continue
        layout = Layout.of(len(labels), columns=columns, size=work.fit.original, most=most)
        videos = [(panel.title, run.folder / panel.video) for panel in panels]
        write_sheet(videos, target, layout, frames=count, fps=work.source.fps, progress=work.progress)
    result = {"panels": labels, "files": [*_SHEETS, _PAGE]}
    run.finish(result)
    write_page(
        run.folder,
        title="Frameweave comparison",
        intro="One prompt, every editor: the first row without the adaptor, the second one with it."
        if len(rows) > 1
        else "One prompt, every editor.",
        rows=[Row("Prompt", work.prompt, tuple(panels), columns=columns)],
        embedded=False,
    )
    for name in (*_SHEETS, _PAGE):
        run.wrote(name)
    return _files(run.folder, result)


def _files(folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    return {name.replace(".", "_"): str(folder / name) for name in reversed(result["files"])}
