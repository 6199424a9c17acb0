"""How long, how fast and how often a training takes its steps."""

import math
from dataclasses import dataclass
from typing import Literal

from frameweave.training.precision import Precision


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
    keep: int = 2
    """Checkpoints that are kept."""
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
