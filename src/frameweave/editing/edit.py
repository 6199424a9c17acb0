"""Edit a video file by a prompt, or make one from a prompt, from file to file."""

import contextlib
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from frameweave.editing.adapting import adapted
from frameweave.editing.advice import advise
from frameweave.editing.footage import Fit, Footage
from frameweave.editing.inputs import given_to_edit, model_inputs
from frameweave.editing.keeper import PREVIEWS, UNFINISHED, StepKeeper
from frameweave.editing.mask import Mask, laid_over
from frameweave.editing.options import EditOptions, GenerateOptions, ModelOptions
from frameweave.editing.place import Place
from frameweave.editing.setup import editor_of, estimator_of, inversions_of, load_model
from frameweave.editors import base
from frameweave.editors.request import EditRequest, Inversions
from frameweave.errors import InputError
from frameweave.models import depth as depth_model
from frameweave.models.seam import Latents, Model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Progress
from frameweave.runs.places import Numbered
from frameweave.runs.run import Run
from frameweave.video import VideoWriter, probe, tells_pixel_shape
from frameweave.video.along import Along
from frameweave.video.clip import Clip, working_size
from frameweave.video.writing import SUFFIXES, lost_along, lost_by_size

_BATCH = 16  # frames that are read, encoded, decoded and written at once


@dataclass(frozen=True)
class Edited:
    """What came of an edit: the video file, and how long each part took in seconds."""

    video: Path
    seconds: dict[str, float]


def edit(
    video: Path,
    prompts: Sequence[str],
    options: EditOptions,
    *,
    load: Callable[[ModelOptions], StableDiffusion] | None = None,
    progress: Progress = SILENT,
) -> list[Edited]:
    """Edit `video` by each prompt in turn into the run folder or the file `options.out`.

    What the same edit has finished there is kept, and an interrupted one goes on. The results have the
    source's size, shape of pixels, frame times and sound. Memory does not grow with the video's pixels:
    frames are read, encoded, decoded and written in batches. `load` gives the model of the options, where it
    may be loaded already. Raises the errors of `frameweave.errors` for wrong input, as far as can be before
    anything heavy is loaded, and before an earlier run is replaced.
    """
    editor = editor_of(options)
    if not prompts or not all(prompt.strip() for prompt in prompts):
        raise InputError("the prompt is empty", hint="say what the video shall show")
    info = probe(video)
    place = Place.of(options.out, Numbered("edit", prompts[0]), f"edited{_suffix(video)}", count=len(prompts))
    if place.file is not None and options.preview_every:
        raise InputError(
            f"--preview-every with the file {place.file} as --out: previews need a folder",
            hint="give --out a folder, or leave --preview-every out",
        )
    footage = Footage(info, options.frames, options.fps, options.start, options.end)
    checked = footage.check(progress)
    mask = None if options.mask is None else Mask(options.mask, (info.width, info.height))
    for note in (*checked.notes, *(() if mask is None else mask.check(checked.edited))):
        progress.note(note)
    suffix = Path(place.names[0]).suffix.lower()
    size = (info.width, info.height)
    for note in (*lost_along(Along(video, sound=options.audio), suffix), *lost_by_size(suffix, size)):
        progress.note(note)
    if info.pixel_shape != 1 and not tells_pixel_shape(suffix):
        progress.note("this format cannot tell the shape of pixels: the result is shown with square ones")
    timer = _Timer()
    plan = place.planned("edit", options, given_to_edit(video, prompts, options))
    if (finished := place.finished(plan)) is not None:
        progress.note("this edit is finished already")
        return [Edited(path, finished[0]["seconds"]) for path in finished[1]]
    with plan.held():
        with timer.part("load"):
            model = (load or load_model)(options)
            fit = Fit.of((info.width, info.height), options.size or model.native, model.multiple)
            if fit.padded != fit.scaled:
                width, height = fit.padded
                progress.note(f"frames are padded to {width} x {height} while they are edited")
            advise(options, [*prompts, options.source_prompt], progress, fit)
            inversions = inversions_of(model, options, [editor], progress)
            estimator = estimator_of(editor, model, options)
        with adapted(model, options, options.editor, editor, progress) as adapted_model:
            work = _Work(footage, mask, fit, estimator, editor, adapted_model, options, timer, progress)
            request = work.read(prompts[0], inversions)
            run = plan.start()  # all that goes in is read by now
            run.will_write(*place.names, UNFINISHED, *PREVIEWS)
            for name, prompt in zip(place.names, prompts, strict=True):
                work.make(run, name, replace(request, prompt=prompt))
        result = {"videos": list(place.names), "frames_edited": len(request), "seconds": timer.seconds}
        run.finish(result)
        return [Edited(path, timer.seconds) for path in place.published(run)]


@dataclass(frozen=True, eq=False)
class _Work:
    """The parts of one edit that go batch by batch."""

    footage: Footage
    mask: Mask | None
    fit: Fit
    estimator: depth_model.DepthEstimator | None
    editor: base.Editor
    model: Model
    options: EditOptions
    timer: "_Timer"
    progress: Progress

    def read(self, prompt: str, inversions: Inversions) -> EditRequest:
        """The frames to edit, as latents, depth and what the model sees in them."""
        parts: list[EditRequest] = []
        rng = torch.Generator().manual_seed(self.options.seed)
        raw: list[Tensor] = []
        for frames in self.footage.batches(self.fit, _BATCH):
            with self.timer.part("read"):
                parts.append(base.request_of(self.editor, frames, self.model, prompt=prompt, rng=rng))
            if self.estimator is not None:
                with self.timer.part("depth"):
                    raw.append(self.estimator.raw(frames).half())
        seen = [part.seen for part in parts if part.seen is not None]
        return EditRequest(
            model=self.model,
            x_0=torch.cat([part.x_0 for part in parts]),
            prompt=prompt,
            negative_prompt=self.options.negative_prompt,
            source_prompt=self.options.source_prompt,
            rng=rng,
            progress=self.progress,
            depth=depth_model.per_clip(torch.cat(raw).float()) if raw else None,
            seen=torch.cat(seen) if seen else None,
            inversions=inversions,
            check_inversion=self.options.check_inversion,
        )

    def make(self, run: Run, name: str, request: EditRequest) -> None:
        """The video of one prompt; it may be there already when a run goes on."""
        if run.whole(name):
            return
        keeper = StepKeeper(
            run.folder / UNFINISHED,
            f"{name}: {request.prompt}",
            self.model,
            preview_every=self.options.preview_every,
        )
        with self.timer.part("edit"), base.enough_memory(self.editor, request):
            rng = torch.Generator().manual_seed(self.options.seed)
            x = self.editor.edit(replace(request, keeper=keeper, rng=rng))
        if len(x) < len(request):  # tokenflow as published
            self.progress.note(
                f"{len(x)} of {len(request)} frames are edited, the last ones stay as they are"
            )
        with self.timer.part("write"):
            self._write(run.folder / name, x)
        run.wrote(name)
        keeper.done()

    def _write(self, target: Path, x: Latents) -> None:
        """The source's frames with the edited ones in their places."""
        footage, info = self.footage, self.footage.info
        pictures = (
            picture
            for part in x.split(_BATCH)
            for picture in Clip.of(self.fit.undo(self.model.decode(part))).pixels()
        )
        weights = None if self.mask is None else self.mask.weights()
        audio = Along(info.path, sound=self.options.audio, whole=footage.is_whole)
        size = (info.width, info.height)
        with VideoWriter(
            target,
            size=size,
            fps=footage.rate,
            audio=audio,
            pixel_shape=info.pixel_shape,
            colours=info.colours,
        ) as writer:
            frames = footage.written(self.progress.note)
            for frame in self.progress.track(frames, "frames written", footage.length):
                pixels = frame.pixels
                if footage.edited(frame) and (edited := next(pictures, None)) is not None:
                    pixels = edited if weights is None else laid_over(pixels, edited, next(weights))
                writer.write(pixels, frame.time, frame.duration)


def generate(prompt: str, options: GenerateOptions, *, progress: Progress = SILENT) -> Edited:
    """Make a clip from text alone into the run folder or the file `options.out`.

    The folder is taken when the clip is made; what the same command has finished there is kept. Raises the
    errors of `frameweave.errors` for wrong input.
    """
    editor = editor_of(options)
    if not prompt.strip():
        raise InputError("the prompt is empty", hint="say what the video shall show")
    if not isinstance(editor, base.Generator):
        raise InputError(
            f"{options.editor} edits a video and cannot make one from text",
            hint="use --editor text2video_zero",
        )
    timer = _Timer()
    place = Place.of(options.out, Numbered("generate", prompt), "generated.mp4")
    plan = place.planned("generate", options, {"prompt": prompt, **model_inputs(options)})
    if (finished := place.finished(plan)) is not None:
        progress.note("this clip is finished already")
        return Edited(finished[1][0], finished[0]["seconds"])
    with plan.held():
        with timer.part("load"):
            model = load_model(options)
            side = working_size((1, 1), options.size or model.native, model.multiple)
        advise(options, [prompt], progress)
        with (
            timer.part("generate"),
            adapted(model, options, options.editor, editor, progress, sees_source=False) as adapted_model,
        ):
            request = base.text_request(
                adapted_model,
                prompt=prompt,
                frames=options.frames,
                size=side,
                negative_prompt=options.negative_prompt,
                rng=torch.Generator().manual_seed(options.seed),
                progress=progress,
            )
            x = editor.generate(request)
        run = plan.start()
        (name,) = place.names
        run.will_write(name)
        with timer.part("write"):
            Clip.of(model.decode(x), fps=options.fps).write(run.folder / name)
        run.wrote(name)
        run.finish({"video": name, "frames": options.frames, "seconds": timer.seconds})
        (target,) = place.published(run)
    return Edited(target, timer.seconds)


def _suffix(video: Path) -> str:
    """Of the result: the video's own where it can be written."""
    suffix = video.suffix.lower()
    return suffix if suffix in SUFFIXES else ".mp4"


class _Timer:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def part(self, name: str) -> Generator[None, None, None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)
