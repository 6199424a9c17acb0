"""Settings of `frameweave export` and `frameweave verify`."""

from pathlib import Path
from typing import Literal

from frameweave.runs.settings import Count, Settings


class ExportOptions(Settings):
    """Settings of `frameweave export`."""

    out: Path = Path("runs/export")
    """The folder to write to."""
    sampler: Literal["ddim", "dpmpp_2m_karras", "euler_a"] = "ddim"
    """The sampler of the ComfyUI workflow; the line for A1111 counts its steps too."""
    steps: Count = 20
    """Sampling steps of the workflow and of the line for A1111."""
    strength: float | None = None
    """Strength of the LoRA; default: the adaptor's own, usually 0.5."""
    overwrite: bool = False
    """Replace files of an earlier export in that folder."""


class VerifyOptions(Settings):
    """Settings of `frameweave verify`."""

    model: str | None = None
    """The model to compare with; default: the one that the adaptor was trained on."""
    prompt: str = "a red car in the snow"
    """Prompt of the test picture, which is made in both ways."""
    steps: Count = 20
    """Sampling steps of the test picture."""
    guidance: float = 7.5
    """Classifier-free guidance scale (CFG) of the test picture."""
    seed: int = 0
    """Random seed of the test picture."""
    device: str = "auto"
    """Where the model runs: auto, cpu, cuda or mps; auto takes a GPU if there is one."""
