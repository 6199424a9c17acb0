"""Edit a video file by a prompt, from file to file."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from frameweave.diffusion.samplers.sampler import Sampler
from frameweave.editing.adapting import adapted, settled
from frameweave.editing.advice import advise, check_prompts, what_is_said
from frameweave.editing.footage import BATCH, Fit, Footage
from frameweave.editing.given.anchors import GivenFrame, given_frames
from frameweave.editing.given.control_maps import GivenMap, MapMaker, Wanted
from frameweave.editing.given.mask import Mask, laid_over
from frameweave.editing.inputs import given_to_edit
from frameweave.editing.keeper import PREVIEWS, UNFINISHED, StepKeeper
from frameweave.editing.model_options import ModelOptions
from frameweave.editing.options import EditOptions
from frameweave.editing.place import Place, result_suffix
from frameweave.editing.planning.fitting import fitted
from frameweave.editing.previews import FILES, OnPreview, OnSteps, check_place, watching
from frameweave.editing.sampling import note_few_steps, sampler_of
from frameweave.editing.setup import (
    editor_of,
    inversions_of,
    load_model,
    looked_at,
    map_maker,
    motions_of,
    steady_of,
)
from frameweave.editing.steadying.figures import KEPT, KeptFigures
from frameweave.editing.steadying.latents import Steadier
from frameweave.editing.steering import kinds_of, switched_on
from frameweave.editors import running
from frameweave.editors.base import Editor
from frameweave.editors.request import EditRequest, Inversions, Shared
from frameweave.models.control.asked import DEPTH
from frameweave.models.seam import ControlMap, Frames, Latents, Model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Progress, Timer
from frameweave.runs.places import Numbered
from frameweave.runs.run import Run
from frameweave.video import Picture, VideoWriter, probe
from frameweave.video.along import Along
from frameweave.video.clip import Clip
from frameweave.video.motion.kept import ClipPrint, Motions
from frameweave.video.motion.motion import Motion
from frameweave.video.writing import lost_in


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
    on_preview: OnPreview | None = None,
    progress: Progress = SILENT,
) -> list[Edited]:
    """Edit `video` by each prompt in turn into the run folder or the file `options.out`.

    What the same edit has finished there is kept, and an interrupted one goes on. The results have the
    source's size, shape of pixels, frame times and sound. Memory does not grow with the video's pixels:
    frames are read, encoded, decoded and written in batches. `load` gives the model of the options, where it
    may be loaded already; `on_preview` is told how the result looks after each step. Raises the errors of
    `frameweave.errors` for wrong input, as far as can be before anything heavy is loaded, and before an
    earlier run is replaced.
    """
    options = settled(options, [*prompts, options.source_prompt], progress)
    editor = editor_of(options)
    check_prompts(prompts, options)
    info = probe(video)
    numbered = Numbered("edit", what_is_said(prompts[0], options))
    place = Place.of(options.out, numbered, f"edited{result_suffix(video)}", count=len(prompts))
    check_place(place.file, {"--preview": options.preview, "--preview-every": options.preview_every})
    footage = Footage(info, options.frames, options.fps, options.start, options.end)
    checked, flow = looked_at(footage, options, [editor], progress)
    given = [GivenMap(kind, Path(file)) for kind, file in kinds_of(options.control_map).items()]
    wanted = Wanted(checked.edited, footage.numbers, footage.whole) if given else Wanted(checked.edited)
    for one in given:
        one.check((info.width, info.height), wanted)
    if (options.steers or given) and (switched := switched_on(options.editor, editor)):
        progress.note(switched)
    mask = None if options.mask is None else Mask(options.mask, (info.width, info.height))
    for note in (*checked.notes, *(() if mask is None else mask.check(checked.edited))):
        progress.note(note)
    along, size = Along(video, sound=options.audio), (info.width, info.height)
    for note in lost_in(place.suffix, along, size, info.pixel_shape, float(options.fps or info.fps)):
        progress.note(note)
    anchors, timer = given_frames(options.anchor, footage, checked.edited), Timer()
    plan = place.planned("edit", options, given_to_edit(video, prompts, options))
    if (finished := place.finished(plan)) is not None:
        progress.note("this edit is finished already")
        return [Edited(path, finished[0]) for path in finished[1]]
    with plan.held():
        with timer.part("load"):
            model = (load or load_model)(options)
            fit = Fit.for_model(model, (info.width, info.height), options.size)
            if fit.padded != fit.scaled:
                progress.note("frames are padded to {} x {} while they are edited".format(*fit.padded))
            advise(options, [*prompts, options.source_prompt], progress, fit)
            editor = fitted(editor, model, fit, progress)
            inversions = inversions_of(model, options, [editor], progress)
            maker = map_maker(editor, model, options)
            maps = {one.kind: one.read(fit, wanted) for one in given}
            sampler = sampler_of(options, model, editor)
            note_few_steps(options, model, editor, progress)
        with adapted(model, options, options.editor, editor, progress, sampler=sampler) as adapted_model:
            watch = partial(watching, model, footage.rate, progress, on_preview)
            work = _Work(
                footage=footage,
                mask=mask,
                anchors=anchors,
                fit=fit,
                maker=maker,
                motions=motions_of(flow.padded(fit.scaled), options, progress),
                editor=editor,
                model=adapted_model,
                options=options,
                timer=timer,
                progress=progress,
                watch=watch,
            )
            request, steadier = work.read(prompts, inversions, maps, sampler)
            run = plan.start()  # all that goes in is read by now
            run.will_write(*place.names, UNFINISHED, *PREVIEWS, *(FILES if options.preview else ()))
            run.will_write(*((KEPT,) if steadier else ()))
            for name, prompt in zip(place.names, prompts, strict=True):
                work.make(run, name, replace(request, prompt=prompt), steadier)
        result = {"videos": list(place.names), "frames_edited": len(request), "seconds": timer.seconds}
        run.finish(result | ({"steadied": KeptFigures.of(run.folder).table} if steadier else {}))
        (run.folder / KEPT).unlink(missing_ok=True)
        return [Edited(path, timer.seconds) for path in place.published(run)]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Work:
    """The parts of one edit that go batch by batch."""

    footage: Footage
    mask: Mask | None
    anchors: Mapping[int, GivenFrame]
    """The user's, by their place among the edited frames."""
    fit: Fit
    maker: MapMaker
    motions: Motions
    editor: Editor
    model: Model
    options: EditOptions
    timer: Timer
    progress: Progress
    watch: Callable[[Path | None], contextlib.AbstractContextManager[OnSteps]]

    def read(
        self,
        prompts: Sequence[str],
        inversions: Inversions,
        given: Mapping[str, ControlMap],
        sampler: Sampler,
    ) -> tuple[EditRequest, Steadier | None]:
        """The frames to edit, as latents, pictures that steer and what the model sees in them.

        Beside them what makes results steadier, if that is asked for.
        """
        parts: list[EditRequest] = []
        rng = torch.Generator().manual_seed(self.options.seed)
        width, height = (side // self.model.vae_factor for side in self.fit.padded)
        steady, radius = steady_of(self.options), self.editor.motion_radius
        known, reach = ClipPrint(), running.motion_reach(self.editor, steady)
        unused: list[Latents] = []  # of editors that do not use the source
        for frames in self.progress.track(self.footage.batches(self.fit, BATCH), "batches of frames read"):
            with self.timer.part("read"):
                part = running.request_of(
                    self.editor, frames, self.model, prompt=prompts[0], rng=rng, motion=None
                )
                parts.append(part)
                if steady is not None and not self.editor.uses_source:
                    unused.append(self.model.encode(frames))
            if reach:
                with self.timer.part("motion"):
                    known.add(frames)
            if self.maker.kinds:
                with self.timer.part("depth" if DEPTH in self.maker.kinds else "maps"):
                    self.maker.add(frames)
        seen = [part.seen for part in parts if part.seen is not None]
        x_0 = torch.cat([part.x_0 for part in parts])
        moved = self._motion(known, reach, (height, width)) if reach else None
        request = EditRequest(
            model=self.model,
            x_0=x_0,
            prompt=prompts[0],
            shared=Shared() if len(prompts) > 1 else None,
            negative_prompt=self.options.negative_prompt,
            source_prompt=self.options.source_prompt,
            sampler=sampler,
            rng=rng,
            progress=self.progress,
            maps={**self.maker.made(), **given},
            seen=torch.cat(seen) if seen else None,
            motion=moved.within(radius) if moved and radius else None,
            region=None if self.mask is None else self.mask.region(len(x_0), self.fit, (height, width)),
            anchors={
                place: self.model.encode(self.fit.apply(one.frame())) for place, one in self.anchors.items()
            },
            inversions=inversions,
            check_inversion=self.options.check_inversion,
        )
        if steady is None or moved is None:
            return request, None
        return request, Steadier(
            steady=steady,
            source=torch.cat(unused) if unused else x_0,
            motion=moved,
            region=request.region,
            model=self.model,
            footage=self.footage,
            fit=self.fit,
            timer=self.timer,
            progress=self.progress,
        )

    def _motion(self, known: ClipPrint, reach: int, size: tuple[int, int]) -> Motion:
        """How the source moves, at the latents' size; unless it is kept, frames are read once more for it."""

        def batches() -> Iterator[Frames]:
            found = self.footage.batches(self.fit, BATCH)
            return self.progress.track(found, "batches of frames whose motion is found")

        with self.timer.part("motion"):
            return self.motions.of(known, batches, reach, size)

    def make(self, run: Run, name: str, request: EditRequest, steadier: Steadier | None) -> None:
        """The video of one prompt; it may be there already when a run goes on."""
        if run.whole(name):
            return
        keeper = StepKeeper(
            run.folder / UNFINISHED,
            f"{name}: {request.prompt}",
            self.model,
            preview_every=self.options.preview_every,
        )
        with (
            self.timer.part("edit"),
            running.enough_memory(self.editor, request),
            self.watch(run.folder if self.options.preview else None) as keeper.on_steps,
        ):
            rng = torch.Generator().manual_seed(self.options.seed)
            x = running.edited(self.editor, replace(request, keeper=keeper, rng=rng))
        if len(x) < len(request):  # tokenflow as published
            self.progress.note(
                f"{len(x)} of {len(request)} frames are edited, the last ones stay as they are"
            )
        steady = None if steadier is None else steadier.of(x)
        with self.timer.part("write"):
            self._write(run.folder / name, self._pictures(x) if steady is None else steady.pictures())
        if steady is not None:
            steady.keep(run.folder, name)
        run.wrote(name)
        keeper.done()

    def _pictures(self, x: Latents) -> Iterator[Picture]:
        for frames in self.model.decoded(x):
            yield from Clip.of(self.fit.undo(frames)).pixels()

    def _write(self, target: Path, pictures: Iterator[Picture]) -> None:
        """The source's frames with the edited ones in their places."""
        footage, info = self.footage, self.footage.info
        placed = (
            self.anchors[place].pixels() if place in self.anchors else picture
            for place, picture in enumerate(pictures)
        )
        weights = None if self.mask is None else self.mask.weights()
        audio = Along(info.path, sound=self.options.audio, whole=footage.is_whole)
        with VideoWriter(
            target,
            size=(info.width, info.height),
            fps=footage.rate,
            audio=audio,
            pixel_shape=info.pixel_shape,
            colours=info.colours,
            crf=self.options.crf,
        ) as writer:
            frames = footage.written(self.progress.note)
            for frame in self.progress.track(frames, "frames written", footage.length):
                pixels = frame.pixels
                if footage.edited(frame) and (edited := next(placed, None)) is not None:
                    pixels = edited if weights is None else laid_over(pixels, edited, next(weights))
                writer.write(pixels, frame.time, frame.duration)
