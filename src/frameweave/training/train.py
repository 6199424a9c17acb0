"""Train an adaptor, from settings to a saved adaptor, resumable at every point."""

import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from pydantic import Field

from frameweave.adaptor.adaptor import FILE
from frameweave.adaptor.formats import DIFFUSERS_FILE, KOHYA_FILE
from frameweave.adaptor.lora import pattern
from frameweave.diffusion.schedule import Window
from frameweave.errors import InputError, RunError
from frameweave.models.memory import peak_bytes
from frameweave.progress import SILENT, Progress
from frameweave.runs import own_files
from frameweave.runs.identity import Input, check_apart
from frameweave.runs.records import Record, lines_of
from frameweave.runs.run import LOG_FILE, Run
from frameweave.runs.run_file import RUN_FILE, RunRecord, read_run
from frameweave.training.checkpoint import checkpoints
from frameweave.training.fit import fit, load_average, new_accelerator
from frameweave.training.log import TrainingLog
from frameweave.training.low_rank import check_losses
from frameweave.training.options import TrainOptions
from frameweave.training.patience import Patience
from frameweave.training.plan import plan_of
from frameweave.training.previews import write_preview
from frameweave.training.sources.groups import check_data
from frameweave.training.sources.inputs import FILE as INPUTS
from frameweave.training.sources.inputs import check_same
from frameweave.training.stages import ADAPTOR, STAGES, Built, Workshop, training_device

_MINE = (
    "threads", "tensorboard", "wandb", "out", "watch_every", "norms_every", "preview_every", "save_minutes",
    "stages", "strength", "patience",
)  # fmt: skip
"""Settings that may change when a run goes on: they do not change its numbers."""

_WEIGHTS = (FILE, DIFFUSERS_FILE, KOHYA_FILE)
FILES = (
    RUN_FILE,
    LOG_FILE,
    "cache/[0-9a-f][0-9a-f]/*.safetensors",
    *(f"{stage}/{INPUTS}" for stage in STAGES),
    *(f"{stage}/step-[0-9]*/" for stage in STAGES),
    *(f"{stage}/preview-[0-9]*.png" for stage in STAGES),
    *(f"depth/controlnet/{name}" for name in ("config.json", "diffusion_pytorch_model.safetensors")),
    *(f"{place}{ADAPTOR}/{name}" for place in ("", "tokens/") for name in _WEIGHTS),
    "tensorboard/*/events.out.tfevents.*",
)
"""What a training writes into its folder, as patterns."""


@dataclass(frozen=True)
class Trained:
    """What came of a training run, and what it took."""

    figures: dict[str, float]
    seconds: float
    peak_bytes: int
    """Of GPU memory, or of this process's memory on a CPU."""


class _Earlier(Record):
    """Of the result in a run file: the figures of stages that are trained already."""

    figures: dict[str, float] = Field(default_factory=dict[str, float])


def train(stages: tuple[str, ...], options: TrainOptions, *, progress: Progress = SILENT) -> Trained:
    """Run stages in order in the folder `options.out`, going on where an earlier call stopped.

    With several processes (`accelerate launch`) the first one writes. Raises `InputError` for an
    unknown stage or unusable settings, before anything heavy is loaded.
    """
    start, options = time.monotonic(), options.placed
    check_stages(stages, options)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    training_device(options.device)
    state = PartialState()
    progress = progress if state.is_main_process else SILENT
    with _folder(stages, options, main=state.is_main_process) as begun:
        if state.is_main_process:
            check_data(options)
        workshop = Workshop(options, progress, stages)
        with state.main_process_first():
            run = begun()
        earlier = _Earlier.from_json(run.record.result or {}, where=f"{options.out}: its result has ").figures
        new: dict[str, float] = {}
        for stage in stages:
            progress.note(f"stage {stage}")
            figures = _trained(stage, workshop, run)
            new |= {f"{stage}_{name}": value for name, value in figures.items()}
        done = Trained(earlier | new, round(time.monotonic() - start, 2), peak_bytes())
        if state.is_main_process and (new or not earlier):  # a run that was finished keeps its record
            run.finish(asdict(done))
    return done


def check_stages(stages: tuple[str, ...], options: TrainOptions) -> None:
    """Raise `InputError` for an unknown stage, and for settings with which none can run."""
    for stage in stages:
        if stage not in STAGES:
            raise InputError.unknown("stage", stage, list(STAGES))
    if "lora" in stages:
        check_losses(options)
        pattern(options.lora_blocks, options.lora_targets)
    if "tokens" in stages and options.n_shared == 0:
        raise InputError(
            "the stage tokens has nothing to train with n_shared 0",
            hint="give --stages lora, or leave --n-shared out",
        )
    for low, high in (options.t_range, options.temporal_range):
        Window(low, high)


@contextmanager
def _folder(
    stages: tuple[str, ...], options: TrainOptions, *, main: bool
) -> Generator[Callable[[], Run], None, None]:
    """The run folder, kept from other runs; what is yielded takes it when all inputs are opened.

    When a new training fails before its first step, nothing of it is left.
    """
    given = {"stages": list(stages)}

    def again(earlier: RunRecord) -> Run:
        return Run(options.out, earlier.working.updated(settings=options.table(), input=given))

    def going_on(earlier: RunRecord) -> Run:
        run = again(earlier)
        run.write()
        return run

    if not main:  # the first process has taken it
        yield lambda: again(read_run(options.out))
        return
    read = {"data": options.data, "prior": options.prior or "world"}
    check_apart([Input(name, Path(one), "") for name, one in read.items() if one != "world"], options.out)
    if (options.out / RUN_FILE).is_file() and read_run(options.out).command != "train":
        raise RunError(f"{options.out}: holds a run of another command", hint="give another --out")
    every = (*TrainOptions.model_fields, "stages")  # stages may come later; checkpoints know their settings
    plan = Run.planned(options.out, "train", options, given=given, resume=True, free=every)
    with plan.held():
        try:
            yield lambda: going_on(plan.earlier) if plan.earlier and plan.goes_on else plan.start()
        except Exception:
            if not plan.goes_on and not (options.out / LOG_FILE).is_file():
                own_files.remove(options.out, FILES)
            raise


def _trained(name: str, workshop: Workshop, run: Run) -> dict[str, float]:
    """Train one stage to its end, write what it made, and return its last held-out figures."""
    options = workshop.options
    folder = options.out / name
    with workshop.built(name) as built:
        check_same(folder, workshop.inputs(name), goes_on=bool(checkpoints(folder)))
        accelerator = new_accelerator()
        last = _fitted(name, built, workshop, run, accelerator)
        accelerator.wait_for_everyone()
        taken = load_average(built.stage.module, folder)
        if accelerator.is_main_process:
            workshop.write(name, built, taken)
        return last


def _fitted(
    name: str, built: Built, workshop: Workshop, run: Run, accelerator: Accelerator
) -> dict[str, float]:
    """Train a stage from where it is to its end; returns its last held-out figures."""
    options, progress, main = workshop.options, workshop.progress, accelerator.is_main_process
    folder, plan = options.out / name, plan_of(name, options)
    patience = Patience(options.patience if name == "lora" else 0)
    patience.recall(folder, (line for _, line in lines_of(options.out / LOG_FILE)))
    if patience.ended:
        progress.note(
            f"{name} has ended: its held-out loss has not fallen since step {patience.best}; "
            "--patience 0 trains on to --steps"
        )
        return {}
    last: dict[str, float] = {}
    steps = fit(
        built.stage, plan, folder, accelerator=accelerator, settings=_fixed(options), note=progress.note
    )
    with closing(steps), TrainingLog(run, name, options, progress, main=main) as log:  # pyright: ignore
        for step in progress.track(steps, name, plan.steps):
            log(step)
            last = step.watched or last
            every = options.preview_every
            if built.lora is not None and main and every and step.number % every == 0:
                window = Window(*options.t_range, workshop.model.schedule.T)
                strip = folder / f"preview-{step.number:06d}.png"
                write_preview(workshop.model, built.lora, workshop.held_out_groups[0], window, strip)
                built.lora.switch(on=True, trainable=True)
            patience.hear(step.number, step.watched)
            if patience.ended:
                progress.note(f"the held-out loss has not fallen since step {patience.best}: that is enough")
                break
    return last


def _fixed(options: TrainOptions) -> dict[str, object]:
    return {key: value for key, value in options.table().items() if key not in _MINE}
