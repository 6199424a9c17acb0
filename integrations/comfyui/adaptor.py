"""The node that chooses an adaptor, and how it acts."""

from dataclasses import dataclass

import torch

from frameweave.api import Adaptor, load_adaptor

_TOKENS = {"as the adaptor says": None, "on": True, "off": False}
ADAPTOR = "FRAMEWEAVE_ADAPTOR"
"""The type of what goes from this node to Frameweave Edit."""


@dataclass(frozen=True)
class Chosen:
    """An adaptor with the strength and the tokens that were asked for; None is what it says itself."""

    adaptor: Adaptor
    strength: float | None
    tokens: bool | None


class FrameweaveAdaptor:
    """An adaptor for Frameweave Edit."""

    DESCRIPTION = "Chooses an adaptor. It acts in the window of timesteps for which it was trained."
    CATEGORY = "Frameweave"
    FUNCTION = "choose"
    RETURN_TYPES = (ADAPTOR,)
    RETURN_NAMES = ("adaptor",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, tuple[object, dict[str, object]]]]:
        """What the node takes."""
        folder = {
            "default": "miniature",
            "tooltip": "A folder that `frameweave train` wrote, its adaptor.safetensors, or miniature.",
        }
        strength = {
            "default": -1.0, "min": -1.0, "max": 2.0, "step": 0.05,
            "tooltip": "Strength of its LoRA. Below 0: as the adaptor says.",
        }  # fmt: skip
        tokens = {
            "default": "as the adaptor says",
            "tooltip": "Whether its prompt tokens act. They need a model with a vision tower.",
        }
        return {
            "required": {
                "folder": ("STRING", folder),
                "strength": ("FLOAT", strength),
                "tokens": (list(_TOKENS), tokens),
            }
        }

    @torch.inference_mode(mode=False)
    def choose(self, folder: str, strength: float, tokens: str) -> tuple[Chosen]:
        """The adaptor is read here, so that what is wrong with it is told on this node."""
        asked = None if strength < 0 else strength
        return (Chosen(load_adaptor(folder), asked, _TOKENS[tokens]),)
