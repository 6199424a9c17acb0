"""What a CLIP vision encoder says of a picture, as IP-Adapters read it."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from transformers import CLIPVisionModelWithProjection

from frameweave.models.vision import OPENAI
from frameweave.video.stills import opened_picture, pixels_of

States = Float[Tensor, "1 *N D"]


@dataclass(frozen=True, eq=False)
class ImageEncoder:
    """Scales, crops, normalises, and runs the encoder."""

    network: CLIPVisionModelWithProjection

    @torch.no_grad()
    def __call__(self, file: Path, *, patches: bool) -> tuple[States, States]:
        """States of a picture, and of none: of its patches, or one of the whole.

        None is zeros, or what the encoder says of a picture that is zero after it was normalised.
        """
        weight = next(self.network.parameters())
        x = prepared(file, cast("int", self.network.config.image_size)).to(weight)
        if not patches:
            whole = self.network(x).image_embeds
            return whole, torch.zeros_like(whole)
        shown, none = (
            self.network(pixels, output_hidden_states=True).hidden_states[-2]
            for pixels in (x, torch.zeros_like(x))
        )
        return shown, none


def prepared(file: Path, side: int) -> Float[Tensor, "1 3 side side"]:
    """The middle of a picture as CLIP takes it. Raises `InputError` for a file that is no picture."""
    with opened_picture(file) as opened:
        picture = Image.fromarray(pixels_of(opened))
    factor = side / min(picture.size)
    width, height = (max(side, int(length * factor)) for length in picture.size)
    scaled = picture.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - side) // 2, (height - side) // 2
    pixels = np.asarray(scaled.crop((left, top, left + side, top + side)), np.float32) / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in OPENAI)
    return ((torch.from_numpy(pixels).permute(2, 0, 1) - mean) / std)[None]
