"""Everything of a training that changes from step to step, and how it is stored."""

import contextlib
import importlib
from collections.abc import Generator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from frameweave.errors import RunError, require_extra
from frameweave.training.checkpoint import Checkpoint, read
from frameweave.training.plan import Plan, resolved


class State:
    """Weights, their moving average, buffers, optimiser and gradient scaler."""

    def __init__(self, module: nn.Module, plan: Plan, device: torch.device) -> None:
        self.module = module
        self.weights = {k: p for k, p in module.named_parameters() if p.requires_grad}
        self.average = {k: p.detach().clone() for k, p in self.weights.items()}
        stored = module.state_dict().keys()
        # such as the statistics of batch norms
        self.buffers = {key: buffer for key, buffer in module.named_buffers() if key in stored}
        self.optimiser = _optimiser(list(self.weights.values()), plan)
        self.scaler = torch.amp.GradScaler(device.type, enabled=resolved(plan.precision, device) == "fp16")

    def checkpoint(self, step: int, settings: Mapping[str, object] | None) -> Checkpoint:
        flat = {f"weights/{k}": p.detach() for k, p in self.weights.items()}
        flat |= {f"average/{k}": p for k, p in self.average.items()}
        flat |= {f"buffer/{k}": b for k, b in self.buffers.items()}
        for key, weight in self.weights.items():
            for name, value in self.optimiser.state[weight].items():
                tensor = torch.as_tensor(value)
                # the small ones may be one tensor for all weights, which safetensors refuses
                flat[f"optimiser/{name}/{key}"] = tensor if tensor.shape == weight.shape else tensor.clone()
        tensors = {k: v.contiguous() for k, v in flat.items()}
        return Checkpoint(step, tensors, settings, self.scaler.state_dict())

    def load(self, path: Path, settings: Mapping[str, object] | None) -> int:
        """Take over a checkpoint; return the number of steps behind it."""
        checkpoint = read(path, settings)
        flat = checkpoint.tensors
        own = {f"weights/{k}": p.shape for k, p in self.weights.items()}
        own |= {f"buffer/{k}": b.shape for k, b in self.buffers.items()}
        for key, shape in own.items():
            if key not in flat or flat[key].shape != shape:
                found = list(flat[key].shape) if key in flat else "nothing"
                raise RunError(
                    f"{path}: {key} is {found}, expected {list(shape)}", hint="give another folder"
                )
        self.restore_buffers({key: flat[f"buffer/{key}"] for key in self.buffers})
        for key, weight in self.weights.items():
            weight.data.copy_(flat[f"weights/{key}"])
            self.average[key].copy_(flat[f"average/{key}"])
        for path_of, value in flat.items():
            kind, name, key = (*path_of.split("/", 2), "")[:3]
            if kind == "optimiser":
                self.optimiser.state[self.weights[key]][name] = _like(self.weights[key], value)
        if self.scaler.is_enabled() and checkpoint.scaler:
            self.scaler.load_state_dict(checkpoint.scaler)
        return checkpoint.step

    def clip(self, norm: float) -> float:
        """Clip the gradients; return their norm before."""
        self.scaler.unscale_(self.optimiser)
        return float(nn.utils.clip_grad_norm_(list(self.weights.values()), norm))

    def update(self, plan: Plan, step: int) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = plan.rate(step)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        decay = min(plan.ema, (1 + step) / (10 + step))
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateUsage]
            list(self.average.values()), [p.detach() for p in self.weights.values()], 1 - decay
        )

    def copied_buffers(self) -> dict[str, Tensor]:
        return {key: buffer.clone() for key, buffer in self.buffers.items()}

    def restore_buffers(self, buffers: dict[str, Tensor]) -> None:
        for key, buffer in self.buffers.items():
            buffer.copy_(buffers[key])

    @contextlib.contextmanager
    def averaged(self) -> Generator[None, None, None]:
        """The moving average in the module's place."""
        kept = {k: p.detach().clone() for k, p in self.weights.items()}
        try:
            for key, weight in self.weights.items():
                weight.data.copy_(self.average[key])
            self.module.eval()
            yield
        finally:
            self.module.train()
            for key, weight in self.weights.items():
                weight.data.copy_(kept[key])


def _optimiser(weights: list[nn.Parameter], plan: Plan) -> torch.optim.Optimizer:
    given = dict(lr=plan.learning_rate, weight_decay=plan.weight_decay, betas=plan.betas)
    if not plan.eight_bit:
        return torch.optim.AdamW(weights, **given, fused=True)  # pyright: ignore[reportArgumentType]
    require_extra("eight-bit", "bitsandbytes")
    return importlib.import_module("bitsandbytes").optim.AdamW8bit(weights, **given)


def _like(weight: nn.Parameter, value: Tensor) -> Tensor | int:
    """A stored value of the optimiser as it was: on the weight's device, in its memory format."""
    if value.dim() == 0 and value.dtype == torch.int64:  # 8-bit AdamW counts steps in plain numbers
        return int(value)
    last = weight.dim() == 4 and weight.is_contiguous(memory_format=torch.channels_last)
    last = last and value.shape == weight.shape
    return value.to(weight.device).contiguous(
        memory_format=torch.channels_last if last else torch.contiguous_format
    )
