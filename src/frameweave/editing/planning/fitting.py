"""As many frames in one call of the network as fit into the memory of a GPU."""

import torch

from frameweave.editing.footage import Fit
from frameweave.editors.base import Editor
from frameweave.models.memory import free_bytes
from frameweave.models.running.meter import Meter
from frameweave.models.running.shapes import networks_in, shapes_of, weight_bytes
from frameweave.models.seam import Guides
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import Progress

_STREAMS = 3
"""Pictures for each frame in the largest calls: the source and both branches of guidance."""
_SPARE = 0.8
"""How much of the free memory is filled: libraries take workspace that nobody counts."""


def fitted(editor: Editor, model: StableDiffusion, fit: Fit, progress: Progress) -> Editor:
    """The editor, with a smaller `chunk_size` where its own would not fit beside the UNet.

    Where parts of the model are not placed anew, and where an editor has no such setting, it stays as it is.
    Says when frames are cut into tiles, which changes them.
    """
    whole = int(model.vae.tile_sample_min_size)
    if model.vae.use_tiling and max(fit.padded) > whole:
        progress.note(f"frames above {whole} pixels are encoded and decoded in tiles: they differ a little")
    size = getattr(editor, "chunk_size", None)
    if model.placement is None or not isinstance(size, int):
        return editor
    fits = fitting_frames(model, fit, free_bytes(model.device))
    if fits >= size:
        return editor
    progress.note(f"{fits} frames go through the UNet at once, not {size}: so many fit into the memory")
    return editor.replaced(chunk_size=fits)


def fitting_frames(model: StableDiffusion, fit: Fit, free: int) -> int:
    """How many frames one call of the UNet can take in so many free bytes; at least one."""
    shapes = shapes_of(model)
    one, two = (_call_bytes(shapes, fit, frames) for frames in (1, 2))
    beside = weight_bytes(networks_in([model.unet, model.controls])) + 2 * one - two
    return max(1, int((_SPARE * free - beside) // (_STREAMS * (two - one))))


@torch.no_grad()
def _call_bytes(shapes: StableDiffusion, fit: Fit, frames: int) -> int:
    """Of a call with so many frames and one text; `shapes` is the model without values."""
    width, height = (side // shapes.vae_factor for side in fit.padded)
    x = torch.empty(frames, shapes.channels, height, width, dtype=shapes.dtype, device="meta")
    conditioning = shapes.conditioning([""], Guides(picture=x if shapes.takes_picture else None))
    with Meter(shapes.device) as meter:
        shapes.predict(x, 1, conditioning)
    return meter.device_peak
