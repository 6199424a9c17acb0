"""Recorded runs of the original editors: weights, inputs, every random draw, latents after every step."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from frameweave.diffusion.sampling import Eps, ddim_step
from frameweave.diffusion.schedule import Schedule

FOLDER = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Case:
    """One recorded run. Latents of the float64 run are float64, all others float32."""

    settings: dict[str, Any]
    tensors: dict[str, Tensor]

    @classmethod
    def load(cls, name: str) -> "Case":
        folder = FOLDER / name
        return cls(json.loads((folder / "settings.json").read_text()), load_file(folder / "case.safetensors"))

    def __getitem__(self, name: str) -> Tensor:
        tensor = self.tensors[name]
        return tensor.double() if tensor.is_floating_point() else tensor


def largest_step_error(eps: Eps, latents: Tensor, schedule: Schedule, levels: list[int], steps: int) -> float:
    """Each step from the recorded latents before it, against those after it, relative to their size."""
    worst = 0.0
    for i, t in enumerate(levels):
        a, a_to = schedule.at(t), schedule.at(schedule.before(t, steps))
        found = ddim_step(latents[i], eps(latents[i], t), a, a_to)
        worst = max(worst, relative(found, latents[i + 1]))
    return worst


def relative(found: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest magnitude."""
    return float((found - expected).abs().max() / expected.abs().max())


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)
