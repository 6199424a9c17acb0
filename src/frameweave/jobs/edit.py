"""Edit a video file by a prompt, or make one from a prompt: the whole job, from file to file."""

import contextlib
import time
from collections.abc import Generator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from frameweave.clip import Clip, probe, working_size
from frameweave.editors import base
from frameweave.errors import InputError
from frameweave.jobs.options import EditOptions, GenerateOptions, ModelOptions, SamplingOptions
from frameweave.model import depth as depth_model
from frameweave.model.adaptor import load_adaptor, strength_in_range
from frameweave.model.backbone import Backbone, StableDiffusion
from frameweave.model.loading import load
from frameweave.progress import SILENT, Progress
from frameweave.run import Run

_WHOLE_VIDEO_FRAMES = 1000


@dataclass(frozen=True)
class Edited:
    """What came of a job: the video file, and how long each part took in seconds."""

    video: Path
    seconds: dict[str, float]


def edit(video: Path, prompt: str, options: EditOptions, *, progress: Progress = SILENT) -> Edited:
    """Edit `video` by `prompt` into the run folder `options.out`.

    The result has the source's size, frame times and sound. Raises the errors of
    `frameweave.errors` for wrong input before anything heavy is loaded.
    """
    editor = _editor(options)
    if not prompt.strip():
        raise InputError("the prompt is empty", hint="say what the video shall show")
    info = probe(video)
    for note in info.notes:
        progress.note(note)
    suffix = ".mp4" if video.is_dir() else _suffix(video)
    timer = _Timer()
    run = Run.start(options.out, "edit", options, overwrite=options.overwrite)
    run.tables["input"] = {"video": str(video.absolute()), "prompt": prompt}
    with timer.part("load"):
        model = load_model(options)
        size = working_size((info.width, info.height), options.size or model.native, model.multiple)
    with timer.part("read"):
        source = Clip.read(video, frames=_limit(options.frames, info.frames), size=size)
        source = source if options.fps is None else source.at_rate(options.fps)
    with timer.part("depth"):
        depth = None
        if editor.needs_depth:
            estimator = depth_model.load(options.model, options.depth_model, device=options.device)
            depth = None if estimator is None else estimator.estimate(source.frames)
    with timer.part("edit"), adapted(model, options, editor, progress) as backbone:
        result = base.edit_clip(
            editor,
            source,
            prompt,
            backbone,
            source_prompt=options.source_prompt,
            negative=options.negative,
            depth=depth,
            rng=torch.Generator().manual_seed(options.seed),
            progress=progress,
        )
    with timer.part("write"):
        target = options.out / f"edited{suffix}"
        result.resized((info.width, info.height)).write(target)
    run.finish({"video": target.name, "frames": len(result), "seconds": timer.seconds})
    return Edited(target, timer.seconds)


def generate(prompt: str, options: GenerateOptions, *, progress: Progress = SILENT) -> Edited:
    """Make a clip from text alone into the run folder `options.out`."""
    editor = _editor(options)
    if not prompt.strip():
        raise InputError("the prompt is empty", hint="say what the video shall show")
    make = getattr(editor, "generate", None)
    if make is None:
        raise InputError(
            f"{options.editor} edits a video and cannot make one from text",
            hint="use --editor text2video_zero",
        )
    timer = _Timer()
    run = Run.start(options.out, "generate", options, overwrite=options.overwrite)
    run.tables["input"] = {"prompt": prompt}
    with timer.part("load"):
        model = load_model(options)
        side = working_size((1, 1), options.size or model.native, model.multiple)
    with timer.part("generate"), adapted(model, options, editor, progress) as backbone:
        x = make(
            prompt,
            backbone,
            frames=options.frames,
            size=side,
            negative=options.negative,
            rng=torch.Generator().manual_seed(options.seed),
            progress=progress,
        )
    with timer.part("write"):
        target = options.out / "generated.mp4"
        Clip.of(model.decode(x), fps=options.fps).write(target)
    run.finish({"video": target.name, "frames": options.frames, "seconds": timer.seconds})
    return Edited(target, timer.seconds)


def load_model(options: ModelOptions) -> StableDiffusion:
    """The model of the options."""
    return load(
        options.model,
        dtype=options.dtype,
        device=options.device,
        control=options.control,
        vision=options.vision,
    )


@contextlib.contextmanager
def adapted(
    model: StableDiffusion, options: ModelOptions, editor: base.Editor, progress: Progress
) -> Generator[Backbone, None, None]:
    """The model with the adaptor of the options, or as it is; says how many steps the adaptor acts in."""
    if options.adaptor is None:
        yield model
        return
    adaptor = load_adaptor(options.adaptor)
    if adaptor.card.base != options.model:
        progress.note(
            f"the adaptor was trained on {adaptor.card.base}, the model is {options.model}: "
            "make sure that they belong together"
        )
    strength = options.adaptor_strength
    steps = int(getattr(editor, "steps", 0))
    by_share = options.adaptor_window == "steps"
    active = adaptor.active(model.schedule, steps, by_share=by_share)
    warning = "" if active else "; WARNING: it does nothing, take more steps or --adaptor-window steps"
    progress.note(f"the adaptor acts in {active} of {steps} steps{warning}")
    with adaptor.on(
        model,
        strength=None if strength is None else strength_in_range(strength),
        tokens=options.tokens,
        in_inversion=options.adaptor_in_inversion,
        vision_frame=options.vision_frame,
        share_of=steps if by_share else None,
    ) as backbone:
        yield backbone


def _editor(options: EditOptions | GenerateOptions) -> base.Editor:
    return base.make(options.editor, _editor_settings(options, options.editor))


def _editor_settings(options: SamplingOptions, name: str) -> dict[str, Any]:
    kind = base.load(name)
    known = {field.name: field for field in fields(kind)}  # pyright: ignore[reportArgumentType]
    settings: dict[str, Any] = {"steps": options.steps, "guidance": options.guidance}
    for pair in options.set:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set {pair!r}", hint="write it as name=value")
        if key not in known:
            raise InputError.unknown(f"setting of {name}", key, list(known))
        settings[key] = base.parse_setting(key, value, known[key].type)
    return settings


def _limit(asked: int | None, declared: int) -> int | None:
    if asked is not None and asked < 1:
        raise InputError(f"--frames {asked}, expected at least 1", hint="leave it out for the whole video")
    if asked is None and declared > _WHOLE_VIDEO_FRAMES:
        raise InputError(
            f"the video has {declared} frames, at most {_WHOLE_VIDEO_FRAMES} are held in memory at once",
            hint=f"edit its start with --frames {_WHOLE_VIDEO_FRAMES}",
        )
    return asked


def _suffix(video: Path) -> str:
    suffix = video.suffix.lower()
    return suffix if suffix in (".mp4", ".mov", ".mkv", ".webm", ".gif") else ".mp4"


class _Timer:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def part(self, name: str) -> Generator[None, None, None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)
