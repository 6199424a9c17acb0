"""Pictures of clips: x-t slices, and frames as files."""

from pathlib import Path

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from frameweave.runs.atomic import staged
from frameweave.video.clip import picture_of


def xt_slice(frames: Float[Tensor, "F 3 H W"]) -> Float[Tensor, "3 F W"]:
    """The middle row of pixels of every frame, one below the other."""
    return frames[:, :, frames.shape[2] // 2].permute(1, 0, 2)


def save_picture(picture: Float[Tensor, "3 H W"], path: Path, *, zoom: int = 1) -> None:
    """A PNG, enlarged without smoothing."""
    image = Image.fromarray(picture_of(picture))
    with staged(path) as stage:
        image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST).save(stage)
