"""The one training loop: mixed precision, accumulation, moving average, several processes, exact resume.

A stage draws everything random from the number of the micro-step, so a run that was stopped goes
on with the same bits as one that was not.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import gather_object
from torch import Tensor, nn

from frameweave.errors import RunError
from frameweave.models.memory import is_out_of_memory
from frameweave.progress import SILENT
from frameweave.training.checkpoint import latest, read, save
from frameweave.training.packing import Packing
from frameweave.training.plan import Plan, autocast
from frameweave.training.state import State


@runtime_checkable
class TrainStage(Protocol):
    """Something to train: the parameters of `module` that require gradients, and its stored buffers."""

    @property
    def module(self) -> nn.Module: ...

    def loss(self, step: int) -> dict[str, Tensor]:
        """Named, weighted terms whose sum is minimised; a function of the micro-step's number alone.

        With several processes each returns the mean over its equal part of the batch.
        """
        ...

    def watch(self) -> dict[str, float]:
        """Figures on held-out data, in evaluation mode."""
        ...


@dataclass(frozen=True)
class Step:
    """What one optimiser step did. `number` counts from 1."""

    number: int
    total: int
    terms: dict[str, float]
    """Means over micro-steps and processes."""
    gradient_norm: float
    """Before clipping. Not finite when the fp16 scaler skipped the step."""
    rate: float
    steps_per_second: float
    term_norms: dict[str, float] = field(default_factory=dict[str, float])
    """Norm of each term's own gradient in this process's first micro-step; every `norms_every` steps."""
    watched: dict[str, float] = field(default_factory=dict[str, float])
    saved: Path | None = None


def fit(
    stage: TrainStage,
    plan: Plan,
    folder: Path,
    *,
    accelerator: Accelerator | None = None,
    settings: Mapping[str, object] | None = None,
    note: Callable[[str], None] = SILENT.note,
) -> Iterator[Step]:
    """Train until `plan.steps`, going on from the folder's newest whole checkpoint if there is one.

    An interrupt saves the last finished step and is raised again; so does closing the iterator.
    Raises `RunError` when a loss or a gradient is not finite, when the settings are not those of
    the checkpoint or it has more steps than the plan, and when a checkpoint cannot be written or
    read; `MissingExtra` for 8-bit AdamW without bitsandbytes.
    """
    accelerator = accelerator or new_accelerator()
    stage.module.to(accelerator.device)
    state = State(stage.module, plan, accelerator.device)
    saved, first = latest(folder, note=note), 0
    if saved is not None:
        first = state.load(saved, settings)
        if first > plan.steps:
            raise RunError(
                f"{saved}: trained for {first} steps, {plan.steps} are asked for",
                hint="give as many steps, or another folder",
            )
        note(f"going on from step {first}")
    stage.module.train()
    with autocast(plan.precision, accelerator.device):
        packing = Packing.of(stage, stage.loss, plan.accumulate, accelerator.device, note)
    done = stored = first
    consistent = True
    buffers = state.copied_buffers()
    clock = started = time.monotonic()
    try:
        for number in range(first + 1, plan.steps + 1):
            alone: dict[str, float] = {}
            if plan.norms_every and number % plan.norms_every == 0:
                alone = _term_norms(stage, state, plan, accelerator.device, number - 1)
            terms = _backward(packing, state, plan, accelerator, number - 1)
            norm = state.clip(plan.clip_norm)
            _check(number, terms, norm, state.scaler, saved)
            consistent = False
            state.update(plan, number - 1)
            buffers, done, consistent = state.copied_buffers(), number, True
            last = number == plan.steps
            watched: dict[str, float] = {}
            if last or number % plan.watch_every == 0:
                with state.averaged(), torch.no_grad(), autocast(plan.precision, accelerator.device):
                    watched = stage.watch()
            due = last or (plan.save_every is not None and number % plan.save_every == 0)
            due = accelerator.is_main_process and (due or time.monotonic() - clock > 60 * plan.save_minutes)
            if due:
                saved, stored = save(folder, state.checkpoint(number, settings)), number
                clock = time.monotonic()
            if last:
                accelerator.wait_for_everyone()
            speed = (number - first) / (time.monotonic() - started)
            rate = plan.rate(number - 1)
            kept = saved if due else None
            yield Step(number, plan.steps, terms, norm, rate, speed, alone, watched, kept)
    except (KeyboardInterrupt, GeneratorExit):  # the latter when the reader was interrupted
        if consistent and done > stored and accelerator.is_main_process:
            state.restore_buffers(buffers)
            save(folder, state.checkpoint(done, settings))
            note(f"stopped; step {done} is saved")
        raise


def load_average(module: nn.Module, folder: Path) -> int:
    """Put the trained moving average and the buffers into `module`; return the number of steps it took.

    Raises `RunError` when the folder has no whole checkpoint.
    """
    path = latest(folder)
    if path is None:
        raise RunError(f"{folder}: there is no checkpoint", hint="train first")
    stored = read(path)
    for kind, tensors in (("average", module.named_parameters()), ("buffer", module.named_buffers())):
        for key, tensor in tensors:
            if f"{kind}/{key}" in stored.tensors:
                tensor.data.copy_(stored.tensors[f"{kind}/{key}"])
    return stored.step


def new_accelerator() -> Accelerator:
    """This process's share of the machine: its GPU, or the CPU when there is none."""
    here = PartialState(cpu=not torch.cuda.is_available()).device  # or as it was set before
    return Accelerator(cpu=here is None or here.type == "cpu")


def _backward(
    packing: Packing, state: State, plan: Plan, accelerator: Accelerator, step: int
) -> dict[str, float]:
    """The mean gradient over micro-steps and processes, left in the weights; returns the mean terms."""
    while True:
        try:
            means = _mean(_accumulated(packing, state, plan, accelerator, step))
            break
        except RuntimeError as error:
            if packing.at_once == 1 or not is_out_of_memory(error):
                raise
            packing.halve()
    if accelerator.num_processes > 1:
        _share_gradients(list(state.weights.values()), accelerator)
        means = _mean(gather_object([means]))
    return means


def _accumulated(
    packing: Packing, state: State, plan: Plan, accelerator: Accelerator, step: int
) -> list[dict[str, float]]:
    state.optimiser.zero_grad(set_to_none=True)
    seen: list[dict[str, float]] = []
    for steps in packing.parts(step * plan.accumulate, plan.accumulate):
        with autocast(plan.precision, accelerator.device):
            found = packing.losses(steps)
        total = torch.stack([torch.stack(list(terms.values())).sum() for terms in found]).sum()
        state.scaler.scale(total / plan.accumulate).backward()
        seen += [{key: float(value.detach()) for key, value in terms.items()} for terms in found]
    return seen


def _term_norms(
    stage: TrainStage, state: State, plan: Plan, device: torch.device, step: int
) -> dict[str, float]:
    """How strongly each term pulls at the weights by itself: a small one beside a large one is inert."""
    with autocast(plan.precision, device):
        terms = stage.loss(step * plan.accumulate)
    weights, norms = list(state.weights.values()), dict[str, float]()
    for key, term in terms.items():
        if not term.requires_grad:
            norms[key] = 0.0
            continue
        grads = torch.autograd.grad(state.scaler.scale(term), weights, retain_graph=True, allow_unused=True)
        squares = [grad.float().square().sum() for grad in grads if grad is not None]  # pyright: ignore
        norms[key] = float(torch.stack(squares).sum().sqrt()) / state.scaler.get_scale()
    return norms


def _mean(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    """A term that a part does not have counts as 0.

    >>> _mean([{"noise": 1.0}, {"noise": 3.0, "temporal": 1.0}])
    {'noise': 2.0, 'temporal': 0.5}
    """
    keys = dict.fromkeys(key for part in parts for key in part)
    return {key: sum(part.get(key, 0.0) for part in parts) / len(parts) for key in keys}


def _share_gradients(weights: list[nn.Parameter], accelerator: Accelerator) -> None:
    """Average gradients over processes; a weight that has one nowhere keeps none."""
    flags = torch.tensor([float(w.grad is not None) for w in weights], device=accelerator.device)
    grads = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
    flat: Any = accelerator.reduce(torch.cat([flags, *(grad.flatten() for grad in grads)]), reduction="mean")
    shared, *parts = flat.split([len(weights), *(w.numel() for w in weights)])
    for weight, grad, part, share in zip(weights, grads, parts, shared.tolist(), strict=True):
        weight.grad = grad.copy_(part.view(weight.shape)) if share > 0 else None


def _check(
    number: int, terms: dict[str, float], norm: float, scaler: torch.amp.GradScaler, saved: Path | None
) -> None:
    wrong = [f"{key} is {value}" for key, value in terms.items() if not math.isfinite(value)]
    skipped = scaler.is_enabled() and scaler.get_scale() >= 1  # by the scaler, which then lowers its scale
    if not math.isfinite(norm) and not skipped:
        wrong.append(f"the gradient norm is {norm}")
    if wrong:
        good = "there is no checkpoint yet" if saved is None else f"the last good checkpoint is {saved}"
        raise RunError(f"step {number}: {', '.join(wrong)}", hint=f"{good}; lower the learning rate")
