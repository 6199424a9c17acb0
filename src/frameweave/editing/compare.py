"""Every editor side by side, without and with the adaptor, as one labelled grid and its x-t slices."""

from pathlib import Path
from typing import Any

import torch

from frameweave.editing.adapting import adapted
from frameweave.editing.advice import advise
from frameweave.editing.footage import Fit, Footage
from frameweave.editing.inputs import given_to_edit
from frameweave.editing.options import EditOptions
from frameweave.editing.setup import inversions_of, lacks_for_depth, load_model
from frameweave.editors import base
from frameweave.errors import InputError
from frameweave.models import depth as depth_model
from frameweave.progress import SILENT, Progress
from frameweave.runs.places import Numbered
from frameweave.runs.run import Run
from frameweave.video import probe
from frameweave.video.clip import Clip
from frameweave.video.pictures import grid, save_picture, xt_slice

_MOST = 64
"""Frames that are compared at most, since all results are held in memory."""


def compare(video: Path, prompt: str, options: EditOptions, *, progress: Progress = SILENT) -> dict[str, Any]:
    """Edit `video` with every editor into the run folder `options.out`; return the files' paths.

    The adaptor is the one of the options; on the packaged model its own is taken by default.
    Raises `InputError` for more than 64 frames, and what `edit` raises, before an earlier run is replaced.
    """
    adaptor = options.adaptor or (options.model if options.model == "miniature" else None)
    acting = options.replaced(adaptor=adaptor)
    plain = options.without_adaptor()
    editors = base.make_each({"steps": options.steps, "guidance": options.guidance}, options.set)
    info = probe(video)
    footage = Footage(info, options.frames, options.fps, options.start, options.end)
    for note in footage.check().notes:
        progress.note(note)
    given = given_to_edit(video, [prompt], acting)
    plan = Run.planned(
        options.out or Numbered("edit", prompt), "edit", options, given=given, overwrite=options.overwrite
    )
    model = load_model(options)
    fit = Fit.of((info.width, info.height), options.size or model.native, model.multiple)
    advise(options, [prompt, options.source_prompt], progress, fit)
    parts = list(footage.batches(fit, _MOST + 1))
    if len(parts[0]) > _MOST:
        raise InputError(f"more than {_MOST} frames to compare", hint=f"give --frames up to {_MOST}")
    source = Clip.of(parts[0], fps=footage.rate)
    estimator = depth_model.load(options.model, options.depth_model, device=options.device)
    depth = None if estimator is None else estimator.estimate(source.frames)
    lacks = lacks_for_depth(model, estimator)
    inversions = inversions_of(model, plain, list(editors.values()), progress)  # adapted edits keep none
    rows: dict[str, list[tuple[str, Clip]]] = {
        given: [("source", source)] for given in ([""] if adaptor is None else ["", adaptor])
    }
    for name, editor in editors.items():
        with adapted(model, acting, name, editor, SILENT):
            pass  # an adaptor that does not fit is told now
    run = plan.start()
    for name, editor in editors.items():
        if editor.needs_depth and lacks:
            progress.note(f"{name} is left out: the model has no {lacks[0]}")
            continue
        for given, panels in rows.items():
            label = f"{name} + adaptor" if given else name
            progress.note(label)
            with adapted(model, acting if given else plain, name, editor, progress) as adapted_model:
                clip = base.edit_clip(
                    editor,
                    source,
                    prompt,
                    adapted_model,
                    source_prompt=options.source_prompt,
                    negative_prompt=options.negative_prompt,
                    depth=depth,
                    inversions=None if given else inversions,
                    rng=torch.Generator().manual_seed(options.seed),
                    progress=progress,
                )
            panels.append((label, clip))
    return _written(run, list(rows.values()), fit)


def _written(run: Run, rows: list[list[tuple[str, Clip]]], fit: Fit) -> dict[str, Any]:
    """The grid: without the adaptor above, with it below."""
    shown = [(label, clip.with_frames(fit.undo(clip.frames))) for row in rows for label, clip in row]
    slices = [(label, Clip.of(xt_slice(clip.frames)[None])) for label, clip in shown]
    columns = len(rows[0])
    sheet = grid(shown, columns=columns)
    files = {name: run.folder / name for name in ("comparison.mp4", "comparison.gif", "slices.png")}
    for name in ("comparison.mp4", "comparison.gif"):
        sheet.write(files[name])
    save_picture(grid(slices, columns=columns).frames[0], files["slices.png"])
    run.finish({"panels": [label for label, _ in shown], "files": list(files)})
    return {name.replace(".", "_"): str(path) for name, path in files.items()}
