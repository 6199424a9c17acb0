"""Every editor side by side, without and with the adaptor: a page with players, one grid, x-t slices."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from frameweave.adaptor.options import AUTO
from frameweave.editing.adapting import adapted
from frameweave.editing.advice import advise, check_prompts, what_is_said
from frameweave.editing.comparing.page import Panel, Row, write_page
from frameweave.editing.comparing.sheet import Layout, write_picture, write_sheet
from frameweave.editing.footage import Fit, Footage
from frameweave.editing.inputs import given_to_edit
from frameweave.editing.model_options import ModelOptions
from frameweave.editing.options import EditOptions
from frameweave.editing.previews import FILES, OnPreview, OnSteps, Watching, watching
from frameweave.editing.sampling import sampler_of, usable
from frameweave.editing.setup import (
    inversions_of,
    lacks_for_depth,
    load_model,
    looked_at,
    motions_of,
    steady_of,
)
from frameweave.editors import registry, running
from frameweave.editors.base import Editor
from frameweave.editors.request import Inversions
from frameweave.errors import InputError
from frameweave.models import depth as depth_model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Progress
from frameweave.runs.places import Numbered
from frameweave.runs.records import Record
from frameweave.runs.run import Run
from frameweave.video import VideoWriter, probe
from frameweave.video.clip import Clip
from frameweave.video.motion.kept import Motions
from frameweave.video.motion.motion import Motion
from frameweave.video.pictures import save_picture, xt_slice

_MOST = 64
"""Frames that are compared at most, since an editor's result is held in memory."""
_SHEETS = {"comparison.mp4": (1920, 2160), "comparison.gif": (960, 1080), "slices.png": (1920, 1080)}
"""All panels in one: the width and height that they have at most."""
_PAGE = "report.html"
_NOBODY = partial(nullcontext, ())
_AT_ONCE = 4  # frames that are brought back to their size


def compare(
    video: Path,
    prompt: str,
    options: EditOptions,
    *,
    load: Callable[[ModelOptions], StableDiffusion] = load_model,
    on_preview: OnPreview | None = None,
    progress: Progress = SILENT,
) -> dict[str, str]:
    """Edit `video` with every editor into the run folder `options.out`; return the files' paths.

    Each edit is kept as soon as it is finished, and not made again when the same command is given once
    more. A page with players shows them all. The adaptor is the one of the options; on the packaged model its
    own is taken by default. `load` and `on_preview` are as for `edit`. Raises `InputError` for more than 64
    frames, and what `edit` raises, before an earlier run is replaced.
    """
    check_prompts([prompt], options)
    acting = _acting(options)
    adaptor = acting.adaptor
    every = registry.make_each({"steps": options.steps, "guidance": options.guidance}, options.set)
    editors = usable(options, every, progress)
    if options.control or options.control_map:
        raise InputError(
            "--compare with --control or --control-map: some editors take no ControlNet",
            hint="leave --compare out, or give the folder of a depth ControlNet with --controlnet",
        )
    if options.anchor:
        raise InputError(
            "--compare with --anchor: most editors take no edited frames",
            hint="leave --compare out, and give --editor anchored",
        )
    info = probe(video)
    footage = Footage(info, options.frames, options.fps, options.start, options.end)
    checked, flow = looked_at(footage, options, list(editors.values()), progress)
    for note in checked.notes:
        progress.note(note)
    given = given_to_edit(video, [prompt], acting)
    place, anew = options.out or Numbered("edit", what_is_said(prompt, options)), options.overwrite
    resume = options.resume and not anew
    plan = Run.planned(place, "edit", options, given=given, overwrite=anew, resume=resume)
    if plan.finished is not None:
        progress.note("this comparison is finished already")
        made = _Result.from_json(plan.finished, where=f"{plan.folder}: its run's result has ")
        return made.paths(plan.folder)
    with plan.held():
        model = load(options)
        fit = Fit.for_model(model, (info.width, info.height), options.size)
        advise(options, [prompt, options.source_prompt], progress, fit)
        parts = list(footage.batches(fit, _MOST + 1))
        if len(parts[0]) > _MOST:
            raise InputError(f"--compare takes at most {_MOST} frames", hint=f"give --frames up to {_MOST}")
        source = Clip.of(parts[0], fps=float(options.fps or info.fps))
        estimator = depth_model.load(options.model, options.depth_model, device=options.device)
        lacks = lacks_for_depth(model, estimator)
        for name, editor in editors.items():
            with adapted(model, acting, name, editor, SILENT, sampler=sampler_of(options, model, editor)):
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
            motion=_motion(
                motions_of(flow.padded(fit.scaled), options, progress),
                source,
                max((running.motion_reach(one, steady_of(options)) for one in chosen.values()), default=0),
                model,
            ),
            inversions=inversions_of(model, arms[""], list(editors.values()), progress),
            fit=fit,
            progress=progress,
        )
        run = plan.start()
        if options.preview:
            run.will_write(*FILES)
        folder = run.folder if options.preview else None
        work = replace(work, watch=partial(watching, model, source.fps, progress, on_preview, folder))
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


def _motion(motions: Motions, source: Clip, reach: int, model: StableDiffusion) -> Motion | None:
    """How the source moves, at the latents' size; None where nobody follows it."""
    width, height = (side // model.vae_factor for side in source.size)
    return motions.of_frames(source.frames, reach, (height, width)) if reach else None


def _acting(options: EditOptions) -> EditOptions:
    """With the adaptor that is shown: that of the options, or the packaged model's own."""
    packaged = options.model if options.model == "miniature" else None
    return options.replaced(adaptor=packaged if options.adaptor in (None, AUTO) else options.adaptor)


class _Result(Record):
    """What a comparison has made, as its run file holds it."""

    panels: list[str]
    files: list[str]

    def paths(self, folder: Path) -> dict[str, str]:
        """Of the files, the page first, by names such as comparison_mp4."""
        return {name.replace(".", "_"): str(folder / name) for name in reversed(self.files)}


@dataclass(frozen=True, eq=False, kw_only=True)
class _Work:
    """What all edits of a comparison have in common."""

    model: StableDiffusion
    source: Clip
    prompt: str
    depth: Tensor | None
    motion: Motion | None
    """As far as any editor follows it."""
    inversions: Inversions
    fit: Fit
    progress: Progress
    watch: Callable[[], AbstractContextManager[OnSteps]] = _NOBODY
    """Who is told of the steps of each edit."""

    def edited(self, name: str, editor: Editor, options: EditOptions) -> Clip:
        """An edit at the model's size."""
        sampler = sampler_of(options, self.model, editor)
        with (
            adapted(self.model, options, name, editor, self.progress, sampler=sampler) as adapted_model,
            self.watch() as on_steps,
        ):
            return running.edit_clip(
                editor,
                self.source,
                self.prompt,
                adapted_model,
                source_prompt=options.source_prompt,
                negative_prompt=options.negative_prompt,
                sampler=sampler,
                depth=self.depth,
                motion=self.motion,
                steady=steady_of(options),
                inversions=None if options.adaptor else self.inversions,  # adapted edits keep none
                rng=torch.Generator().manual_seed(options.seed),
                progress=self.progress,
                keeper=Watching(on_steps) if on_steps else None,
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


def _shown(run: Run, rows: list[list[str]], stems: dict[str, str], work: _Work) -> dict[str, str]:
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
    result = _Result(panels=labels, files=[*_SHEETS, _PAGE])
    run.finish(result.model_dump())
    write_page(
        run.folder,
        title="Frameweave comparison",
        intro="One prompt, every editor: the first row without the adaptor, the second one with it."
        if len(rows) > 1
        else "One prompt, every editor.",
        rows=[Row("Prompt", work.prompt, tuple(panels), columns=columns)],
    )
    for name in (*_SHEETS, _PAGE):
        run.wrote(name)
    return result.paths(run.folder)
