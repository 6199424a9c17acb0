"""The one training loop of the Miniature's parts: EMA, learning rate by samples, exact resume.

Step k draws everything from generators seeded with (seed, k), so a run that was stopped goes on
with the same bits as one that was not. Checkpoints are safetensors files written atomically.
"""

import contextlib
import math
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from frameweave.atomic import staged
from frameweave.errors import RunError
from frameweave.progress import SILENT, Progress

CHECKPOINT = "checkpoint.safetensors"


@runtime_checkable
class Part(Protocol):
    """One network to train: `module` is what is stored, `loss` a function of the step alone."""

    @property
    def module(self) -> nn.Module: ...

    def loss(self, step: int) -> dict[str, Tensor]:
        """Named loss terms; their sum is minimised."""
        ...

    def watch(self) -> dict[str, float]:
        """Figures on held-out data, in evaluation mode."""
        ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how fast. `steps` batches; learning rate flat, then a cosine to zero."""

    steps: int
    learning_rate: float = 1e-3
    warmup: int = 200
    flat: float = 0.6
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema: float = 0.999
    bf16: bool = True
    """Forward and backward in bfloat16 autocast; several times faster where the CPU has AMX."""
    save_minutes: float = 3.0
    watch_every: int = 500

    def rate(self, step: int) -> float:
        """The learning rate of a step.

        >>> plan = Plan(steps=1000, learning_rate=1.0, warmup=100)
        >>> plan.rate(49), plan.rate(500), round(plan.rate(800), 3)
        (0.5, 1.0, 0.5)
        """
        warm = min(1.0, (step + 1) / self.warmup)
        after = max(0.0, step / self.steps - self.flat) / max(1 - self.flat, 1e-9)
        return self.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * min(1.0, after)))


def cast(plan: Plan) -> torch.autocast:
    """The precision of forward passes under this plan."""
    return torch.autocast("cpu", torch.bfloat16, enabled=plan.bf16)


class _State:
    """Weights, their moving average, and the optimiser, as one flat dictionary of tensors."""

    def __init__(self, module: nn.Module, plan: Plan) -> None:
        self.module = module
        self.weights = {k: p for k, p in module.named_parameters() if p.requires_grad}
        self.average = {k: p.detach().clone() for k, p in self.weights.items()}
        stored = module.state_dict().keys()
        # such as the statistics of batch norms
        self.buffers = {key: buffer for key, buffer in module.named_buffers() if key in stored}
        self.optimiser = torch.optim.AdamW(
            list(self.weights.values()),
            lr=plan.learning_rate,
            weight_decay=plan.weight_decay,
            betas=(0.9, 0.99),
            fused=True,
        )

    def tensors(self) -> dict[str, Tensor]:
        flat = {f"weights/{k}": p.detach() for k, p in self.weights.items()}
        flat |= {f"average/{k}": p for k, p in self.average.items()}
        flat |= {f"buffer/{k}": b for k, b in self.buffers.items()}
        for key, weight in self.weights.items():
            for name, value in self.optimiser.state[weight].items():
                flat[f"optimiser/{name}/{key}"] = value
        return {k: v.contiguous() for k, v in flat.items()}

    def load(self, flat: dict[str, Tensor]) -> None:
        for key, buffer in self.buffers.items():
            buffer.copy_(flat[f"buffer/{key}"])
        for key, weight in self.weights.items():
            weight.data.copy_(flat[f"weights/{key}"])
            self.average[key].copy_(flat[f"average/{key}"])
            self.optimiser.state[weight] = {
                name: flat[f"optimiser/{name}/{key}"]
                .to(memory_format=torch.preserve_format)
                .contiguous(memory_format=_format(weight, name))
                for name in ("step", "exp_avg", "exp_avg_sq")
            }

    def update_average(self, decay: float) -> None:
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateUsage]
            list(self.average.values()), [p.detach() for p in self.weights.values()], 1 - decay
        )


def _format(weight: Tensor, name: str) -> torch.memory_format:
    last = weight.dim() == 4 and weight.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last and name != "step" else torch.contiguous_format


@contextlib.contextmanager
def _averaged(state: _State) -> Generator[None, None, None]:
    """The moving average in the module's place."""
    kept = {k: p.detach().clone() for k, p in state.weights.items()}
    for key, weight in state.weights.items():
        weight.data.copy_(state.average[key])
    state.module.eval()
    try:
        yield
    finally:
        state.module.train()
        for key, weight in state.weights.items():
            weight.data.copy_(kept[key])


def load_average(module: nn.Module, folder: Path) -> int:
    """Put the trained moving average and the buffers into `module`; return the number of steps it took."""
    with safe_open(folder / CHECKPOINT, "pt") as file:
        stored = set(file.keys())
        for kind, tensors in (("average", module.named_parameters()), ("buffer", module.named_buffers())):
            for key, tensor in tensors:
                if f"{kind}/{key}" in stored:
                    tensor.data.copy_(file.get_tensor(f"{kind}/{key}"))
        return int(file.metadata()["step"])


def fit(part: Part, plan: Plan, folder: Path, *, progress: Progress = SILENT) -> None:
    """Train until `plan.steps`, going on from the folder's checkpoint if there is one.

    Raises `RunError` when a loss is not finite; the last good checkpoint stays.
    """
    state = _State(part.module, plan)
    first = 0
    if (folder / CHECKPOINT).is_file():
        with safe_open(folder / CHECKPOINT, "pt") as file:
            first = int(file.metadata()["step"])
            state.load({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
        progress.note(f"going on from step {first}")
    part.module.train()
    saved = started = time.monotonic()
    smooth: dict[str, float] = {}
    for step in progress.track(range(first, plan.steps), folder.name, plan.steps - first):
        for group in state.optimiser.param_groups:
            group["lr"] = plan.rate(step)
        with cast(plan):
            terms = part.loss(step)
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            raise RunError(
                f"step {step}: loss is not finite ({ {k: float(v.detach()) for k, v in terms.items()} })",
                hint=f"the last good checkpoint is {folder / CHECKPOINT}; lower the learning rate",
            )
        state.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(list(state.weights.values()), plan.clip_norm)
        state.optimiser.step()
        state.update_average(min(plan.ema, (1 + step) / (10 + step)))
        for key, value in terms.items():
            now = float(value.detach())
            smooth[key] = 0.98 * smooth.get(key, now) + 0.02 * now
        last = step + 1 == plan.steps
        if last or (step + 1) % plan.watch_every == 0:
            with _averaged(state), torch.no_grad(), cast(plan):
                seen = part.watch()
            rate = (step + 1 - first) / (time.monotonic() - started)
            progress.measure(step=step + 1, steps_per_second=rate, **smooth, **seen)
        if last or time.monotonic() - saved > 60 * plan.save_minutes:
            with staged(folder / CHECKPOINT) as stage:
                save_file(state.tensors(), stage, {"step": str(step + 1)})
            saved = time.monotonic()
