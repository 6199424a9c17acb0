"""How long, how fast, how often and in which number type a training takes its steps."""

import math
from dataclasses import dataclass
from typing import Literal

import torch

from frameweave.models.loading.device import half_of
from frameweave.training.options import TrainOptions

Precision = Literal["fp32", "bf16", "fp16"]
"""The number type of forward and backward."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long, how fast and how often. `steps` counts optimiser steps."""

    steps: int
    learning_rate: float = 1e-3
    warmup: int = 200
    schedule: Literal["flat_cosine", "constant"] = "flat_cosine"
    """After the warm-up: flat and then a cosine to zero, or flat throughout."""
    flat: float = 0.6
    """Share of the steps before the cosine."""
    accumulate: int = 1
    """Micro-steps per optimiser step; their gradients are averaged."""
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema: float = 0.999
    precision: Precision | Literal["auto"] = "auto"
    """Of forward and backward."""
    eight_bit: bool = False
    """8-bit AdamW; needs bitsandbytes."""
    save_minutes: float = 3.0
    save_every: int | None = None
    """Steps between checkpoints, besides the minutes."""
    watch_every: int = 500
    norms_every: int = 0
    """Steps between gradient norms of each term alone; 0 is never."""

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0.

        >>> plan = Plan(steps=1000, learning_rate=1.0, warmup=100)
        >>> plan.rate(49), plan.rate(500), round(plan.rate(800), 3)
        (0.5, 1.0, 0.5)
        """
        warm = self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup))
        if self.schedule == "constant":
            return warm
        after = max(0.0, step / self.steps - self.flat) / max(1 - self.flat, 1e-9)
        return warm * (0.5 + 0.5 * math.cos(math.pi * min(1.0, after)))


def resolved(precision: Precision | Literal["auto"], device: torch.device) -> Precision:
    """`auto` is bf16 where the hardware multiplies matrices in it, else fp16 on GPUs and fp32 on CPUs.

    A CPU without AMX emulates bf16, several times slower than fp32, and so do GPUs older than Ampere.
    """
    if precision != "auto":
        return precision
    if device.type == "cpu":
        return "bf16" if torch.cpu.get_capabilities().get("amx_bf16") else "fp32"
    return half_of(device) or "fp32"


def autocast(precision: Precision | Literal["auto"], device: torch.device) -> torch.autocast:
    """Forward and backward in that precision."""
    # not the accelerator's: its precision is fixed once per process
    chosen = resolved(precision, device)
    dtype = torch.float16 if chosen == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=chosen != "fp32")


def plan_of(stage: str, options: TrainOptions) -> Plan:
    """How a stage is trained under these settings."""
    return Plan(
        steps={"depth": options.depth_steps, "tokens": options.tokens_steps, "lora": options.steps}[stage],
        learning_rate={
            "depth": options.depth_learning_rate,
            "tokens": options.tokens_learning_rate,
            "lora": options.learning_rate,
        }[stage],
        warmup=options.warmup,
        schedule=options.schedule,
        weight_decay=options.weight_decay,
        betas=(0.9, 0.999),
        clip_norm=options.clip_norm,
        ema=options.ema,
        accumulate=options.accumulate,
        precision=options.precision,
        eight_bit=options.eight_bit,
        save_minutes=options.save_minutes,
        watch_every=options.watch_every,
        norms_every=options.norms_every,
    )
