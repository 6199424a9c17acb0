"""What a training run will take: memory, time, operations, from short probes of its real stages.

Each probe is a fresh process that builds the stage and takes a few steps, so that its peak memory is
its own. Passes of more than two groups are not probed: memory and time grow by the same amount with each
group, so one and two groups tell the rest, and a plan never needs the memory of the run.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from frameweave.errors import FrameweaveError, RunError
from frameweave.models.loading.device import torch_device
from frameweave.models.memory import free_bytes, peak_bytes
from frameweave.progress import SILENT, Progress
from frameweave.training.fit import fit
from frameweave.training.options import TrainOptions
from frameweave.training.packing import fitting, saved_bytes
from frameweave.training.plan import autocast, plan_of
from frameweave.training.sources.groups import Part, sources
from frameweave.training.stages import Workshop
from frameweave.training.train import check_stages

_STEPS = 4
_HELD_OUT = 2


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What one stage takes at one batch size. Times in seconds."""

    load: float
    """Loading the models."""
    encode: float
    """Encoding one group that is not in the cache."""
    micro: float
    """One pass, forward and backward."""
    watch: float
    """The held-out figures of one group."""
    save: float
    """One checkpoint."""
    peak_bytes: float
    saved_bytes: float
    """What the forward pass keeps for the backward pass."""
    flops: float
    """Operations of one pass, as torch counts them (2 per multiply-add)."""
    at_once: int = 1
    """Micro-steps of a pass."""

    def at(self, batch: int, two: "Probe") -> "Probe":
        """This probe of one group and one of two, extended in a straight line to `batch` groups.

        Two groups never take less than one: where they seem to, the machine had other work.

        >>> one = Probe(load=5, encode=1, micro=2, watch=1, save=0, peak_bytes=10, saved_bytes=4, flops=6)
        >>> at = one.at(4, replace(one, micro=3, peak_bytes=14, saved_bytes=8, flops=12))
        >>> at.micro, at.peak_bytes, at.saved_bytes, at.flops, at.load
        (5, 22, 16, 24, 5)
        """
        grown = {
            name: getattr(self, name) + (batch - 1) * max(0, getattr(two, name) - getattr(self, name))
            for name in ("micro", "peak_bytes", "saved_bytes", "flops")
        }
        return replace(self, **grown)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a stage, or the whole run, will take."""

    name: str
    seconds: float
    peak_bytes: float
    flops: float
    """Of one micro-step; 0 for the whole run."""
    flops_per_second: float
    fits: bool
    """Whether the memory that is free now suffices."""


def plan_training(options: TrainOptions, *, progress: Progress = SILENT) -> list[Estimate]:
    """One estimate per stage, and a last one for the whole run, started from nothing.

    Stages that are finished in `options.out` are counted as if they were not. Raises `InputError`
    for what `train` refuses, `RunError` when a probe fails.
    """
    check_stages(options.stages, options)
    groups, held_out = (len(source) for source in sources(options))
    probes: dict[str, Probe] = {}
    for stage in progress.track(options.stages, "probing stages"):
        probes[stage] = _planned(stage, options)
    return estimates(probes, options, groups=groups, held_out=held_out)


def _planned(stage: str, options: TrainOptions) -> Probe:
    """One pass of the stage: a batch, or several micro-steps' that go through together."""
    one = _probed(stage, options.replaced(batch=1))
    if options.batch == options.accumulate == 1:
        return one
    two = _probed(stage, options.replaced(batch=2))
    saved = one.at(options.batch, two).saved_bytes
    at_once = fitting(saved, options.accumulate, torch_device("auto"))
    return replace(one.at(options.batch * at_once, two), at_once=at_once)


def estimates(
    probes: dict[str, Probe], options: TrainOptions, *, groups: int, held_out: int
) -> list[Estimate]:
    """The arithmetic: steps, held-out figures and checkpoints by stage; loading and encoding once."""
    rows: list[Estimate] = []
    seen = 0
    for stage, probe in probes.items():
        plan = plan_of(stage, options)
        passes = plan.steps * -(-plan.accumulate // probe.at_once)
        seen = max(seen, min(groups, plan.steps * plan.accumulate * options.batch))
        watches = plan.steps // plan.watch_every + (plan.steps % plan.watch_every > 0)
        work = passes * probe.micro + watches * held_out * probe.watch
        if plan.norms_every and stage == "lora":  # a forward pass, and a backward pass for each of two terms
            work += plan.steps // plan.norms_every * probe.micro / probe.at_once * 5 / 3
        seconds = work + (1 + work / (60 * plan.save_minutes)) * probe.save
        flops = probe.flops / probe.at_once
        rows.append(_row(stage, seconds, probe.peak_bytes, flops, probe.flops / probe.micro))
    every = list(probes.values())
    encoding = (seen + held_out) * max(probe.encode for probe in every)
    total = sum(row.seconds for row in rows) + max(probe.load for probe in every) + encoding
    return [*rows, _row("all", total, max(probe.peak_bytes for probe in every), 0, 0)]


def _row(name: str, seconds: float, peak: float, flops: float, rate: float) -> Estimate:
    free = free_bytes(torch_device("auto"))
    return Estimate(
        name=name, seconds=seconds, peak_bytes=peak, flops=flops, flops_per_second=rate, fits=peak < free
    )


def _probed(stage: str, options: TrainOptions) -> Probe:
    with tempfile.TemporaryDirectory() as folder:
        small = options.replaced(
            groups=min(options.groups, _STEPS * options.batch),  # so that every step meets new captions
            held_out=_HELD_OUT,
            accumulate=1,
            norms_every=0,
            tensorboard=False,
            wandb=False,
            out=Path(folder),
        )
        done = subprocess.run(
            [sys.executable, "-c", "from frameweave.training.forecast import answer; answer()"],
            input=json.dumps({"stage": stage, "settings": small.table()}),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode == -signal.SIGKILL:
        raise RunError(
            f"the probe of stage {stage} was killed, most likely for lack of memory",
            hint="give a smaller --batch or --size, or --checkpointing",
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        if not last.startswith(FrameweaveError.__module__):
            raise RuntimeError(done.stderr)  # a bug keeps its traceback
        raise RunError(
            f"the probe of stage {stage} failed ({last})",
            hint="correct this first: the training would fail in the same way",
        )
    return Probe(**json.loads(done.stdout.splitlines()[-1]))


def answer() -> None:
    """In a probe's own process: read the stage and its settings, write what it took."""
    asked = json.load(sys.stdin)
    options = TrainOptions.of_table(asked["settings"], where="the probe's settings")
    sys.stdout.write(f"\n{json.dumps(asdict(probe(asked['stage'], options)))}\n")


def probe(stage: str, options: TrainOptions) -> Probe:
    """Take a few steps of a stage in the fresh folder `options.out`, in this process."""
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    load, workshop = _timed(lambda: Workshop(options, SILENT, (stage,)))
    for cached, few in (
        (workshop.train_groups, _STEPS * options.batch),
        (workshop.held_out_groups, _HELD_OUT),
    ):
        cached.source = Part(cached.source, range(min(few, len(cached))))  # a folder may hold thousands
    encodes = [
        _timed(lambda groups=groups, index=index: groups[index])[0]
        for groups in (workshop.train_groups, workshop.held_out_groups)
        for index in range(len(groups))
    ]
    with workshop.built(stage) as built:
        plan = replace(plan_of(stage, options), steps=_STEPS, watch_every=_STEPS)
        steps = fit(built.stage, plan, options.out / stage)
        times = [_timed(lambda: next(steps))[0] for _ in range(_STEPS)]
        peak = peak_bytes()
        with autocast(plan.precision, workshop.model.device):
            saved = saved_bytes(lambda: built.stage.loss(0))
        micro = min(times[1:-1])  # what is longer is other work of the machine
        with torch.no_grad(), autocast(plan.precision, workshop.model.device):
            watch = _timed(built.stage.watch)[0]
        save = max(0.0, times[-1] - micro - watch)
        with FlopCounterMode(display=False) as counter:
            with autocast(plan.precision, workshop.model.device):
                terms = built.stage.loss(0)
            torch.stack(list(terms.values())).sum().backward()
        flops = counter.get_total_flops()
    # the first group pays for warming up
    encode = median(encodes[1:])
    held_out = len(workshop.held_out_groups)
    return Probe(
        load=load,
        encode=encode,
        micro=micro,
        watch=watch / held_out,
        save=save,
        peak_bytes=peak,
        saved_bytes=saved,
        flops=flops,
    )


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, result
