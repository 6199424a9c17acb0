"""The settings of a diffusers scheduler: what the network was trained on, and which sampler it names.

What the network was trained on is taken as diffusers' `DDIMScheduler` takes it, or refused.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from frameweave.diffusion.samplers.names import SamplerName
from frameweave.errors import ModelFolderError

Spacing = Literal["leading", "trailing", "linspace"]
Prediction = Literal["epsilon", "v_prediction", "sample"]
Beta = Annotated[float, Field(gt=0, lt=1)]
LastBeta = Annotated[float, Field(gt=0, le=1)]
_NEEDED = ("beta_start", "beta_end", "beta_schedule")
_REFUSED = {
    "clip_sample": "latents are not pictures: clipping their values to [-1, 1] spoils them",
    "thresholding": "latents are not pictures: limiting their values spoils them",
    "use_flow_sigmas": "models of flow matching are not supported",
}
"""Settings that would change every step and are not done: why not."""
_OTHER_KINDS = ("Flow", "EDM", "Karras", "VQDiffusion", "ConsistencyModels")
_PIXELS = ("clip_sample", "thresholding")
_SAMPLERS: dict[str, SamplerName] = {
    "EulerDiscreteScheduler": "euler",
    "EulerAncestralDiscreteScheduler": "euler_a",
    "DPMSolverMultistepScheduler": "dpmpp_2m",
    "UniPCMultistepScheduler": "unipc",
    "LCMScheduler": "lcm",
    "TCDScheduler": "tcd",
}
"""Ours by diffusers' classes."""
_SPREAD = tuple(kind for kind, name in _SAMPLERS.items() if name not in ("lcm", "tcd"))
"""Classes that take linspace where nothing is said, and DDIM takes leading."""


class SchedulerConfig(BaseModel):
    """What is read of a scheduler_config.json; what only other samplers know is left aside."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    num_train_timesteps: Annotated[int, Field(ge=1, le=100_000)] = 1000
    beta_start: Beta = 0.00085
    beta_end: Beta = 0.012
    beta_schedule: Literal["scaled_linear", "linear"] = "scaled_linear"
    trained_betas: Annotated[tuple[LastBeta, ...], Field(min_length=1)] | None = None
    rescale_betas_zero_snr: bool = False
    """Shift alpha_bar so that nothing of the picture is left at the noisiest timestep."""
    set_alpha_to_one: bool = True
    steps_offset: Annotated[int, Field(ge=0)] = 0
    timestep_spacing: Spacing = "leading"
    prediction_type: Prediction = "epsilon"
    kind: Annotated[str, Field(alias="_class_name")] = ""
    """Diffusers' class."""
    algorithm_type: str = ""
    use_karras_sigmas: bool = False
    original_inference_steps: Annotated[int, Field(ge=1)] = 50
    """Timesteps at which a consistency model was distilled."""

    @property
    def sampler(self) -> SamplerName:
        """The sampler that is named, or ddim where we have it not."""
        if self.algorithm_type == "sde-dpmsolver++":
            return "dpmpp_2m_sde"
        return _SAMPLERS.get(self.kind, "ddim")

    @property
    def own_spacing(self) -> Literal["karras", "linspace"] | None:
        """How the sampler that is named spaces its timesteps, where other samplers do it otherwise."""
        if self.use_karras_sigmas:
            return "karras"
        unsaid = "timestep_spacing" not in self.model_fields_set  # as in files of before that was a setting
        return "linspace" if unsaid and self.kind in _SPREAD else None

    @model_validator(mode="after")
    def _goes_together(self) -> "SchedulerConfig":
        T = self.num_train_timesteps
        if self.trained_betas is not None and len(self.trained_betas) != T:
            raise ValueError(
                f"trained_betas has {len(self.trained_betas)} values, expected {T}, one a timestep"
            )
        if self.steps_offset >= T:
            raise ValueError(f"steps_offset is {self.steps_offset}, expected less than {T}")
        if self.prediction_type == "epsilon" and not float(torch.prod(1 - self.betas())):
            raise ValueError(
                "prediction_type epsilon with betas that leave nothing of the picture, as "
                "rescale_betas_zero_snr makes them: noise alone does not say what the picture is"
            )
        return self

    @classmethod
    def read(cls, table: Mapping[str, object]) -> "SchedulerConfig":
        """Raises `ModelFolderError` that names the setting which is missing, wrong, or cannot be done."""
        given = {key: value for key, value in table.items() if value is not None}
        missing = [name for name in _NEEDED if name not in given]
        if missing and "trained_betas" not in given:
            raise ModelFolderError(
                f"scheduler config without {', '.join(missing)} (found {', '.join(table) or 'nothing'})",
                hint="copy scheduler_config.json of the model again",
            )
        kind = str(table.get("_class_name", ""))
        if any(word in kind for word in _OTHER_KINDS):
            raise ModelFolderError(
                f"a scheduler of the kind {kind}: its models are not diffused with betas",
                hint="use a Stable Diffusion 1.x, 2.x or SDXL model",
            )
        for name, reason in _REFUSED.items():
            if given.get(name):
                raise ModelFolderError(
                    f"scheduler with {name} {given[name]!r}: {reason}",
                    hint=f"set {name} to false in scheduler_config.json"
                    if name in _PIXELS
                    else "use a Stable Diffusion 1.x, 2.x or SDXL model",
                )
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            name, told = (
                ".".join(str(part) for part in first["loc"]),
                first["msg"].removeprefix("Value error, "),
            )
            found = f"scheduler with {name} {first['input']!r}: " if name else "scheduler config: "
            raise ModelFolderError(
                f"{found}{told[0].lower()}{told[1:]}",
                hint="use a Stable Diffusion 1.x, 2.x or SDXL model, or copy its scheduler_config.json again",
            ) from error

    def betas(self) -> Float[Tensor, " T"]:
        """How much noise each training timestep adds, in float32 as models are trained with."""
        T = self.num_train_timesteps
        if self.trained_betas is not None:
            beta = torch.tensor(self.trained_betas, dtype=torch.float32)
        elif self.beta_schedule == "scaled_linear":
            beta = torch.linspace(self.beta_start**0.5, self.beta_end**0.5, T, dtype=torch.float32) ** 2
        else:
            beta = torch.linspace(self.beta_start, self.beta_end, T, dtype=torch.float32)
        return without_signal_at_the_end(torch.cumprod(1 - beta, 0)) if self.rescale_betas_zero_snr else beta


def without_signal_at_the_end(alpha_bar: Float[Tensor, " T"]) -> Float[Tensor, " T"]:
    """Betas whose last alpha_bar is 0 and whose first stays (Lin et al., 2024, algorithm 1)."""
    root = alpha_bar.sqrt()
    root = (root - root[-1]) * (root[0] / (root[0] - root[-1]))
    alpha_bar = root**2
    return 1 - torch.cat([alpha_bar[:1], alpha_bar[1:] / alpha_bar[:-1]])
