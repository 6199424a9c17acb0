"""Settings of every command that loads a model, and those of `frameweave export` and `frameweave verify`.

Nothing heavy is imported here, so that `--help` answers at once.
"""

from dataclasses import fields
from pathlib import Path
from typing import Literal

from frameweave.models.loading.choice import ModelChoice
from frameweave.runs.settings import Count, FixedSeed, Settings

AUTO = "auto"
"""Stands for the packaged adaptor that is known to help, where there is one."""


class BaseOptions(Settings):
    """Which model a command loads, and where it runs."""

    heading = "Model"

    model: str = "miniature"
    """The model: the packaged "miniature", a diffusers folder, a single safetensors file as A1111 and ComfyUI
    take it, or a hub id (owner/name)."""
    config: str | None = None
    """The settings of a single file: a diffusers folder or a hub id, of which no weights are read, or one of
    sd1.5, sd2.1, sd2.1-base and sdxl; default: those of the file's kind."""
    vae: str | None = None
    """A VAE in place of the model's own: a diffusers folder, a single safetensors file, or a hub id. A
    temporal decoder (AutoencoderKLTemporalDecoder) decodes each frame with its neighbours; Stable Diffusion
    1.x and 2.x only."""
    vision: str | None = None
    """The CLIP vision tower that reads frames for the adaptor's prompt tokens (folder or hub id); default:
    the model folder's own."""
    depth_model: str | None = None
    """A depth estimator (folder or hub id); default: the model folder's own."""
    device: str = "auto"
    """Where the model runs: auto, cpu, cuda or mps; auto takes a GPU if there is one."""

    @property
    def choice(self) -> ModelChoice:
        """What to load."""
        known = type(self).model_fields
        return ModelChoice(
            **{part.name: getattr(self, part.name) for part in fields(ModelChoice) if part.name in known}
        )


class ExportOptions(Settings):
    """Settings of `frameweave export`."""

    out: Path = Path("runs/export")
    """The folder to write to."""
    sampler: Literal["ddim", "dpmpp_2m_karras", "euler_a"] = "ddim"
    """The sampler of the ComfyUI workflows; the line for A1111 counts its steps too. In the video workflow
    euler_a is euler, because a source is inverted there."""
    steps: Count = 20
    """Sampling steps of the workflows and of the line for A1111."""
    strength: float | None = None
    """Strength of the LoRA; default: the adaptor's own, usually 0.5."""
    overwrite: bool = False
    """Replace files of an earlier export in that folder."""


class VerifyOptions(Settings):
    """Settings of `frameweave verify`."""

    model: str | None = None
    """The model to compare with; default: the one that the adaptor was trained on."""
    config: str | None = None
    """The settings of a single file, as for `frameweave edit`."""
    vae: str | None = None
    """A VAE in place of the model's own, as for `frameweave edit`."""
    prompt: str = "a red car in the snow"
    """Prompt of the test picture, which is made in both ways."""
    steps: Count = 20
    """Sampling steps of the test picture."""
    guidance: float = 7.5
    """Classifier-free guidance scale (CFG) of the test picture."""
    seed: FixedSeed = 0
    """Random seed of the test picture."""
    device: str = "auto"
    """Where the model runs: auto, cpu, cuda or mps; auto takes a GPU if there is one."""
