"""Make any program's edited video steadier, from file to file."""

from dataclasses import dataclass
from pathlib import Path

from frameweave.editing.inputs import footage_input
from frameweave.editing.place import Place, result_suffix
from frameweave.editing.steadying.beside import Beside
from frameweave.editing.steadying.figures import Figures
from frameweave.editing.steadying.options import SteadyOptions
from frameweave.editing.steadying.survey import surveyed
from frameweave.editing.steadying.window import Window
from frameweave.errors import InputError
from frameweave.progress import SILENT, Progress, Timer
from frameweave.runs.identity import Input
from frameweave.runs.places import Numbered
from frameweave.runs.records import JsonObject
from frameweave.runs.run_file import read_run
from frameweave.video import VideoWriter, probe
from frameweave.video.along import Along
from frameweave.video.motion.flows import flow_of
from frameweave.video.motion.given import GivenFlow
from frameweave.video.motion.providers import FlowProvider
from frameweave.video.sequences import name_of_clip
from frameweave.video.writing import lost_in


@dataclass(frozen=True)
class Steadied:
    """The steadier video, what it has gained and lost, and how long each part took in seconds."""

    video: Path
    figures: JsonObject
    seconds: dict[str, float]


def steady(edited: Path, options: SteadyOptions, *, progress: Progress = SILENT) -> Steadied:
    """Average what `edited` has changed of `options.source`, along the source's motion.

    The result has the edited video's size, shape of pixels, colours, frame times and sound. It goes into the
    run folder or the file `options.out`; what the same command has finished there is kept. Both videos are
    read twice, and only as many frames are held as are averaged. Raises `InputError` for a source that does
    not fit, before anything is written.
    """
    if options.source is None:
        raise InputError("no source", hint="give the video before the edit with --source")
    info = probe(edited)
    beside = Beside.of(info, probe(options.source), options.mask)
    suffix, fps = result_suffix(edited), beside.timed_by.info.fps
    place = Place.of(options.out, Numbered("steady", name_of_clip(edited)), f"steady{suffix}")
    provider = _provider(options.flow, beside)
    along = Along(edited, sound=options.audio)
    for note in (
        *info.notes,
        *lost_in(place.suffix, along, (info.width, info.height), info.pixel_shape, float(fps)),
    ):
        progress.note(note)
    if not info.timed:
        whose = (
            "as the source's frames"
            if beside.timed_by is beside.source
            else f"at {float(fps):g} frames per second"
        )
        progress.note(f"pictures are shown {whose}")
    beside.check(progress.note)
    plan = place.planned("steady", options, _given(edited, options))
    if (finished := place.finished(plan)) is not None:
        progress.note("this video is finished already")
        seconds, (target,) = finished
        kept = Figures.from_json(
            read_run(place.file or target.parent).result, where=f"{target}: its run has "
        )
        return Steadied(target, kept.model_dump(exclude_none=True), seconds)
    timer, size = Timer(), (info.width, info.height)
    with plan.held():
        with timer.part("look"):
            both = progress.track(beside.frames(), "frames looked at", len(beside))
            survey = surveyed(both, provider, tint=options.tint)
        cuts = survey.shots[-1]
        if cuts:
            progress.note(f"{cuts + 1} shots: nothing is averaged over the cuts between them")
        window = Window(
            survey=survey,
            provider=provider,
            radius=options.radius,
            strength=options.strength,
            low_pass=options.low_pass,
        )
        run = plan.start()
        (name,) = place.names
        run.will_write(name)
        with timer.part("write"):
            frames = progress.track(window.steadied(beside.frames()), "frames written", len(beside))
            with VideoWriter(
                run.folder / name,
                size=size,
                fps=fps,
                audio=Along(edited, sound=options.audio, whole=True),
                pixel_shape=info.pixel_shape,
                colours=info.colours,
                crf=options.crf,
            ) as writer:
                for frame in frames:
                    writer.write(frame.pixels, frame.time, frame.duration)
        run.wrote(name)
        figures = window.measuring.figures()
        progress.note(f"temporal error {figures.told}")
        told = figures.model_dump(exclude_none=True)
        run.finish(
            {"video": name, "frames": len(survey), "shots": cuts + 1, **told, "seconds": timer.seconds}
        )
        (target,) = place.published(run)
    return Steadied(target, told, timer.seconds)


def _provider(flow: str | None, beside: Beside) -> FlowProvider | GivenFlow:
    """What follows the source. Raises `InputError` for a flow that is not there, or of another clip."""
    found = flow_of(flow).provider
    if not isinstance(found, GivenFlow):
        return found
    info = beside.edited.info
    return found.of_clip(len(beside), (info.width, info.height))


def _given(edited: Path, options: SteadyOptions) -> dict[str, Input]:
    """What is read, as `Run.planned` takes it."""
    files = {"edited": edited, "source": options.source, "mask": options.mask}
    if options.flow is not None and Path(options.flow).exists():
        files["flow"] = Path(options.flow)
    return {name: footage_input(name, file) for name, file in files.items() if file is not None}
