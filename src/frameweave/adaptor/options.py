"""Settings of `frameweave export` and `frameweave verify`."""

from pathlib import Path
from typing import Literal

from frameweave.runs.settings import Count, Settings


class ExportOptions(Settings):
    """Settings of `frameweave export`."""

    out: Path = Path("runs/export")
    """The folder to write to."""
    sampler: Literal["ddim", "dpmpp_2m_karras", "euler_a"] = "ddim"
    """The sampler of the workflow, and the one whose steps the line for A1111 counts."""
    steps: Count = 20
    """Steps of that sampler."""
    strength: float | None = None
    """How strongly the LoRA acts; default: as the adaptor says, usually 0.5."""
    overwrite: bool = False
    """Replace files of an earlier export in that folder."""


class VerifyOptions(Settings):
    """Settings of `frameweave verify`."""

    model: str | None = None
    """The model to verify with; default: the one that the adaptor was trained on."""
    prompt: str = "a red car in the snow"
    """What the picture shows that is made in both ways."""
    steps: Count = 20
    """Sampling steps of that picture."""
    guidance: float = 7.5
    """Classifier-free guidance of that picture."""
    seed: int = 0
    """Seed of its noise."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
