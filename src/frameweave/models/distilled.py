"""UNets distilled together with guidance, as latent consistency models are: they are told its scale."""

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor

from frameweave.errors import ModelFolderError
from frameweave.models.seam import Model

_SPREAD = 1000.0  # scales above 1, as timesteps


def guidance_embedding(unet: UNet2DConditionModel, scale: float, like: Tensor) -> Tensor:
    """The guidance scale as such a UNet takes it beside the timestep, one row for all of a batch."""
    width = int(unet.config["time_cond_proj_dim"])
    above = torch.tensor([(scale - 1) * _SPREAD])
    return get_timestep_embedding(above, width, downscale_freq_shift=1).to(like)


def check_invertible(model: Model) -> None:
    """Raise `ModelFolderError` for such a model: it goes all the way in a step, and knows no small ones."""
    if model.embeds_guidance:
        raise ModelFolderError(
            "a latent consistency model cannot be inverted: it was taught large steps only",
            hint="take an editor that does not invert, e.g. framewise with --set noise=random,"
            " or the model that it was distilled from",
        )
