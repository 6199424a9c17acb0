"""Train an adaptor, from settings to a saved adaptor, resumable at every point."""

import time
from contextlib import closing
from dataclasses import dataclass

import torch
from accelerate import PartialState

from frameweave.adaptor.lora import pattern
from frameweave.diffusion.schedule import Window
from frameweave.errors import InputError, RunError
from frameweave.models.memory import peak_bytes
from frameweave.progress import SILENT, Progress
from frameweave.runs.run import RUN_FILE, Run, read_run
from frameweave.training.fit import fit, load_average, new_accelerator
from frameweave.training.groups import check_data
from frameweave.training.log import TrainingLog
from frameweave.training.low_rank import check_frames
from frameweave.training.options import TrainOptions
from frameweave.training.previews import write_preview
from frameweave.training.stages import STAGES, Workshop, plan_of, training_device

_MINE = (
    "threads", "tensorboard", "wandb", "out", "watch_every", "norms_every", "preview_every", "save_minutes",
    "stages", "strength",
)  # fmt: skip
"""Settings that may change when a run goes on: they do not change its numbers."""


@dataclass(frozen=True)
class Trained:
    """What came of a training run, and what it took."""

    figures: dict[str, float]
    seconds: float
    peak_bytes: int
    """Of GPU memory, or of this process's memory on a CPU."""


def train(stages: tuple[str, ...], options: TrainOptions, *, progress: Progress = SILENT) -> Trained:
    """Run stages in order in the folder `options.out`, going on where an earlier call stopped.

    With several processes (`accelerate launch`) the first one writes. Raises `InputError` for an
    unknown stage or unusable settings, before anything heavy is loaded.
    """
    start = time.monotonic()
    check_stages(stages, options)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    training_device(options.device)
    state = PartialState()
    progress = progress if state.is_main_process else SILENT
    if state.is_main_process:
        check_data(options)
    with state.main_process_first():
        run = _run(stages, options, main=state.is_main_process)
    workshop = Workshop(options, progress, stages)
    earlier = run.tables.get("result", {}).get("figures", {})
    new: dict[str, float] = {}
    for stage in stages:
        progress.note(f"stage {stage}")
        new |= {f"{stage}_{name}": value for name, value in _trained(stage, workshop, run).items()}
    done = Trained(earlier | new, round(time.monotonic() - start, 2), peak_bytes())
    if state.is_main_process and (new or not earlier):  # a run that was finished keeps its record
        run.finish({"figures": done.figures, "seconds": done.seconds, "peak_bytes": done.peak_bytes})
    return done


def check_stages(stages: tuple[str, ...], options: TrainOptions) -> None:
    """Raise `InputError` for an unknown stage, and for settings with which none can run."""
    for stage in stages:
        if stage not in STAGES:
            raise InputError.unknown("stage", stage, list(STAGES))
    if "lora" in stages:
        check_frames(options)
        pattern(options.lora_blocks, options.lora_targets)
    if "tokens" in stages and options.n_shared == 0:
        raise InputError(
            "the stage tokens has nothing to train with n_shared 0",
            hint="give --stages lora, or leave --n-shared out",
        )
    for low, high in (options.t_range, options.temporal_range):
        Window(low, high)


def _run(stages: tuple[str, ...], options: TrainOptions, *, main: bool) -> Run:
    given = {"stages": list(stages)}
    if (options.out / RUN_FILE).is_file():
        tables = read_run(options.out)
        if tables.get("command") != "train":
            raise RunError(f"{options.out}: holds a run of another command", hint="give another --out")
        return Run(options.out, tables | {"settings": options.table(), "input": given})
    assert main, "the first process has started the run"
    return Run.planned(options.out, "train", options, given=given).start()


def _trained(name: str, workshop: Workshop, run: Run) -> dict[str, float]:
    """Train one stage to its end, write what it made, and return its last held-out figures."""
    options, progress = workshop.options, workshop.progress
    folder = options.out / name
    with workshop.built(name) as built:
        plan = plan_of(name, options)
        accelerator = new_accelerator()
        main = accelerator.is_main_process
        steps = fit(
            built.stage, plan, folder, accelerator=accelerator, settings=_fixed(options), note=progress.note
        )
        last: dict[str, float] = {}
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
        accelerator.wait_for_everyone()
        taken = load_average(built.stage.module, folder)
        if main:
            workshop.write(name, built, taken)
        return last


def _fixed(options: TrainOptions) -> dict[str, object]:
    return {key: value for key, value in options.table().items() if key not in _MINE}
