"""The node that makes an edited video steadier, whatever edited it."""

import torch
from torch import Tensor

from frameweave.api import InputError, Steady, motion_of

from .batches import frames_of, images_of, resized


class FrameweaveSteady:
    """Averages what an edit has changed, along the motion of the source."""

    DESCRIPTION = (
        "Makes edited frames steadier. What the edit has changed of the source is averaged over neighbouring "
        "frames, along the source's motion."
    )
    CATEGORY = "Frameweave"
    FUNCTION = "steady"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("images",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, tuple[object, dict[str, object]]]]:
        """What the node takes."""
        strength = {
            "default": 1.0, "min": 0.0, "max": 1.0, "step": 0.05,
            "tooltip": "How much steadier; 0 leaves the edited frames as they are.",
        }  # fmt: skip
        radius = {
            "default": 2, "min": 1, "max": 8,
            "tooltip": "Frames before and after each frame over which is averaged.",
        }  # fmt: skip
        return {
            "required": {
                "edited": ("IMAGE", {"tooltip": "The edited frames."}),
                "source": ("IMAGE", {"tooltip": "The frames before the edit, as many."}),
                "strength": ("FLOAT", strength),
                "radius": ("INT", radius),
            }
        }

    @torch.inference_mode(mode=False)
    def steady(self, edited: Tensor, source: Tensor, strength: float, radius: int) -> tuple[Tensor]:
        """Raises `InputError` for a source of another number of frames."""
        if len(edited) != len(source):
            raise InputError(
                f"{len(source)} frames of the source, {len(edited)} edited ones, expected as many",
                hint="connect the frames that were edited",
            )
        frames = frames_of(edited)
        before = resized(frames_of(source), (frames.shape[3], frames.shape[2]))
        steadier = Steady(strength, radius).of(frames, before, motion_of(before, radius))
        return (images_of(steadier),)
