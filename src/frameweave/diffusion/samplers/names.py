"""The names of samplers and spacings. Nothing heavy is imported here."""

from typing import Literal, get_args

SamplerName = Literal["ddim", "euler", "euler_a", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "lcm", "tcd"]
Spacing = Literal["leading", "trailing", "linspace", "karras"]
"""How a sampler's timesteps are spread over those of the training."""
Grid = Literal["ddim", "euler", "dpm", "lcm"]
"""Whose habits of placing timesteps: samplers differ in them even where they name the same spacing."""

SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)
AFTER_INVERSION: tuple[SamplerName, ...] = ("ddim", "euler", "dpmpp_2m", "unipc")
"""Samplers that may follow an inversion: the others draw fresh noise, which is none of the source's."""
WITH_ETA: tuple[SamplerName, ...] = ("ddim", "tcd")
"""Samplers that take `eta`, the share of fresh noise."""
GRIDS: dict[SamplerName, Grid] = {
    "ddim": "ddim",
    "euler": "euler",
    "euler_a": "euler",
    "dpmpp_2m": "dpm",
    "dpmpp_2m_sde": "dpm",
    "unipc": "dpm",
    "lcm": "lcm",
    "tcd": "lcm",
}
