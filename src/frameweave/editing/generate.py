"""Make a video file from a prompt."""

from dataclasses import replace
from pathlib import Path

import torch

from frameweave.editing.adapting import adapted, settled
from frameweave.editing.advice import advise, check_prompts, what_is_said
from frameweave.editing.edit import Edited
from frameweave.editing.footage import Fit
from frameweave.editing.given.control_maps import GivenMap, Wanted
from frameweave.editing.inputs import editor_inputs, map_inputs, model_inputs
from frameweave.editing.options import GenerateOptions
from frameweave.editing.place import Place
from frameweave.editing.previews import FILES, OnPreview, Watching, check_place, watching
from frameweave.editing.sampling import sampler_of
from frameweave.editing.setup import editor_of, load_model
from frameweave.editing.steering import kinds_of
from frameweave.editors import running
from frameweave.editors.base import Generator
from frameweave.errors import InputError
from frameweave.progress import SILENT, Progress, Timer
from frameweave.runs.places import Numbered
from frameweave.video.clip import Clip, working_size
from frameweave.video.writing import lost_by_rate


def generate(
    prompt: str,
    options: GenerateOptions,
    *,
    on_preview: OnPreview | None = None,
    progress: Progress = SILENT,
) -> Edited:
    """Make a clip from text alone into the run folder or the file `options.out`.

    The folder is taken when the clip is made, or with previews when its making begins; what the same command
    has finished there is kept. `on_preview` is told how it looks after each step. Raises the errors of
    `frameweave.errors` for wrong input.
    """
    options = settled(options, [prompt], progress)
    editor = editor_of(options)
    check_prompts([prompt], options)
    if not isinstance(editor, Generator):
        raise InputError(
            f"{options.editor} edits a video and cannot make one from text",
            hint="use --editor text2video_zero",
        )
    given = [GivenMap(kind, Path(file)) for kind, file in kinds_of(options.control_map).items()]
    wanted, shape = Wanted(options.frames), given[0].size if given else (1, 1)
    for one in given:
        one.check(shape, wanted)
    timer = Timer()
    place = Place.of(options.out, Numbered("generate", what_is_said(prompt, options)), "generated.mp4")
    check_place(place.file, {"--preview": options.preview})
    for note in lost_by_rate(place.suffix, options.fps):
        progress.note(note)
    inputs = {"prompt": prompt, **map_inputs(options), **model_inputs(options)}
    inputs |= editor_inputs([options.editor])
    plan = place.planned("generate", options, inputs)
    if (finished := place.finished(plan)) is not None:
        progress.note("this clip is finished already")
        return Edited(finished[1][0], finished[0])
    with plan.held():
        with timer.part("load"):
            model = load_model(options)
            size = working_size(shape, options.size or model.native, model.multiple)
            if options.size is not None and max(size) != options.size:
                progress.note(
                    f"the model makes pictures of {size[0]} x {size[1]}, the nearest to --size {options.size}"
                )
            maps = {one.kind: one.read(Fit(shape, size, size), wanted) for one in given}
            sampler = sampler_of(options, model, editor, sees_source=False)
        advise(options, [prompt], progress)
        with (
            timer.part("generate"),
            adapted(
                model, options, options.editor, editor, progress, sampler=sampler, sees_source=False
            ) as adapted_model,
        ):
            request = running.text_request(
                adapted_model,
                prompt=prompt,
                frames=options.frames,
                size=size,
                negative_prompt=options.negative_prompt,
                sampler=sampler,
                rng=torch.Generator().manual_seed(options.seed),
                progress=progress,
                maps=maps,
                always_steered=True,
            )
            run = plan.start() if options.preview else None
            if run is not None:
                run.will_write(*FILES)
            with watching(model, options.fps, progress, on_preview, run and run.folder) as on_steps:
                x = editor.generate(replace(request, keeper=Watching(on_steps)) if on_steps else request)
        run = run or plan.start()
        (name,) = place.names
        run.will_write(name)
        with timer.part("write"):
            Clip.of(model.decode(x), fps=options.fps).write(run.folder / name, crf=options.crf)
        run.wrote(name)
        run.finish({"video": name, "frames": options.frames, "seconds": timer.seconds})
        (target,) = place.published(run)
    return Edited(target, timer.seconds)
