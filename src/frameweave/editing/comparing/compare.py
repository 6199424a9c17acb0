"""Every editor side by side, without and with the adaptor: a page with players, one grid, x-t slices."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from frameweave.adaptor.options import AUTO
from frameweave.editing.adapting import adapted
from frameweave.editing.advice import advise, check_prompts, what_is_said
from frameweave.editing.comparing.page import Panel, Row, write_page
from frameweave.editing.comparing.panels import Panels
from frameweave.editing.comparing.sheet import Layout, write_picture, write_sheet
from frameweave.editing.footage import Fit, Footage
from frameweave.editing.given.control_maps import MapMaker
from frameweave.editing.given.mask import Mask
from frameweave.editing.inputs import given_to_edit
from frameweave.editing.model_options import ModelOptions
from frameweave.editing.options import EditOptions
from frameweave.editing.previews import FILES, OnPreview, watching
from frameweave.editing.sampling import sampler_of, usable
from frameweave.editing.setup import (
    editor_settings,
    inversions_of,
    lacks_for_depth,
    load_model,
    looked_at,
    motions_of,
    steady_of,
)
from frameweave.editors import registry, running
from frameweave.editors.base import Editor
from frameweave.errors import InputError
from frameweave.models import depth as depth_model
from frameweave.models.control.asked import DEPTH
from frameweave.models.seam import ControlMap
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Progress
from frameweave.runs.places import Numbered
from frameweave.runs.records import Record
from frameweave.runs.run import Run
from frameweave.video import probe
from frameweave.video.clip import Clip
from frameweave.video.motion.kept import Motions
from frameweave.video.motion.motion import Motion

_MOST = 64
"""Frames that are compared at most, since an editor's result is held in memory."""
_SHEETS = {"comparison.mp4": (1920, 2160), "comparison.gif": (960, 1080), "slices.png": (1920, 1080)}
"""All panels in one: the width and height that they have at most."""
_PAGE = "report.html"


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
    editors = _editors(options, progress)
    info = probe(video)
    footage = Footage(info, options.frames, options.fps, options.start, options.end)
    checked, flow = looked_at(footage, options, list(editors.values()), progress)
    if checked.edited > _MOST:
        raise InputError(f"--compare takes at most {_MOST} frames", hint=f"give --frames up to {_MOST}")
    mask = None if options.mask is None else Mask(options.mask, (info.width, info.height))
    for note in (*checked.notes, *(() if mask is None else mask.check(checked.edited))):
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
        source = footage.clip(fit, checked.edited)
        estimator = depth_model.load(options.model, options.depth_model, device=options.device)
        lacks = lacks_for_depth(model, estimator)
        for name, editor in editors.items():
            with adapted(model, acting, name, editor, SILENT, sampler=sampler_of(options, model, editor)):
                pass  # an adaptor that does not fit is told now
            if editor.needs_depth and lacks:
                progress.note(f"{name} is left out: the model has no {lacks[0]}")
        chosen = {name: editor for name, editor in editors.items() if not (editor.needs_depth and lacks)}
        arms = {"": options.without_adaptor()} | ({} if adaptor is None else {" + adaptor": acting})
        work = Panels(
            model=model,
            footage=footage,
            source=source,
            prompt=prompt,
            mask=mask,
            depth=None if estimator is None else _depth(source, estimator),
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
        panels = [Panel.of(f"{name}{arm}") for name in ("source", *chosen) for arm in arms]
        run.will_write(*(file for panel in panels for file in (panel.video, panel.slice)))
        run.will_write(*_SHEETS, _PAGE)
        replace(work, mask=None).keep(run, Panel.of("source"), options, lambda: source)
        there = _made(run, work, chosen, arms)
        return _shown(run, [["source", *(f"{name}{arm}" for name in there)] for arm in arms], work)


def _made(run: Run, work: Panels, editors: dict[str, Editor], arms: dict[str, EditOptions]) -> list[str]:
    """Make all edits; the editors that could edit this clip. Raises `InputError` when there is none."""
    there, refused = list[str](), None
    for name, editor in editors.items():
        try:
            for arm, asked in arms.items():
                work.progress.note(f"{name}{arm}")
                made = partial(work.edited, name, editor, asked)
                work.keep(run, Panel.of(f"{name}{arm}"), asked, made)
            there.append(name)
        except InputError as error:
            refused = error
            work.progress.note(f"{name} is left out: {error.args[0]}")
    if refused is not None and not there:
        raise refused
    return there


def _editors(options: EditOptions, progress: Progress) -> dict[str, Editor]:
    """Every editor that can use what is asked for. Raises `InputError` for what is none of a comparison."""
    _refuse(options)
    found = dict[str, Editor]()
    of_each = registry.asked_of_each(registry.names(), options.set)
    for name, asked in of_each.items():
        fields = registry.load(name).model_fields
        own = options.replaced(as_published=options.as_published and "as_published" in fields)
        settings = editor_settings(own, name, asked)
        found[name] = registry.make(name, {key: settings[key] for key in settings.keys() & fields.keys()})
    registry.check_acting_in_some(found, of_each)
    free = [name for name, editor in found.items() if "as_published" not in type(editor).model_fields]
    if options.as_published and free:
        progress.note(f"without a published program: {', '.join(free)}")
    return usable(options, found, progress)


def _refuse(options: EditOptions) -> None:
    """Raise `InputError` for what a comparison cannot do for every editor."""
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
    if options.preview_every:
        raise InputError(
            "--compare with --preview-every: it keeps no pictures of steps",
            hint="give --preview, which shows them while the edits run",
        )


def _depth(source: Clip, estimator: depth_model.DepthEstimator) -> ControlMap:
    """As an edit makes it."""
    maker = MapMaker((DEPTH,), estimator)
    maker.add(source.frames)
    return maker.made()[DEPTH]


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


def _shown(run: Run, rows: list[list[str]], work: Panels) -> dict[str, str]:
    """The page, and all panels in one: without the adaptor above, with it below."""
    labels = [label for row in rows for label in row]
    panels = [Panel.of(label) for label in labels]
    columns, (width, height) = len(rows[0]), work.fit.original
    width = round(width * work.source.pixel_shape)  # pixels of a sheet are squares
    for name, most in _SHEETS.items():
        target = run.folder / name
        if name.endswith(".png"):
            size = (width, len(work.source))
            layout = Layout.of(len(labels), columns=columns, size=size, most=most)
            write_picture([(panel.title, run.folder / panel.slice) for panel in panels], target, layout)
            continue
        layout = Layout.of(len(labels), columns=columns, size=(width, height), most=most)
        videos = [(panel.title, run.folder / panel.video) for panel in panels]
        write_sheet(videos, target, layout, times=work.source.times, progress=work.progress)
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
