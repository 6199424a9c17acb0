"""A strip of frames sampled with and without the adaptor in training, from the same noise."""

from pathlib import Path

import torch
from torch import Tensor

from frameweave.adaptor.lora import Lora
from frameweave.data.encoded import Prepared
from frameweave.diffusion.sampling import guided, sample
from frameweave.diffusion.schedule import Window
from frameweave.models.control.asked import DEPTH
from frameweave.models.seam import Guides
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.pictures import save_picture

_STEPS, _GUIDANCE = 20, 5.0


@torch.no_grad()
def write_preview(model: StableDiffusion, lora: Lora, group: Prepared, window: Window, path: Path) -> None:
    """Upper row without, lower row with the LoRA inside its window; the group gives prompt and any depth."""
    steered = model.controlnet is not None and group.depth.numel()  # some trainings have no depth
    maps = {DEPTH: group.depth.float() / 255} if steered else {}
    conditioning = model.conditioning(["", group.captions[0]], Guides(maps=maps), negative=(0,))
    noise = model.noise((1, *group.mean.shape[1:]), torch.Generator().manual_seed(0))
    rows: list[Tensor] = []
    for on in (False, True):

        def eps(x: Tensor, t: float, on: bool = on) -> Tensor:
            lora.switch(on and t in window)
            uncond, cond = model.predict(x, t, conditioning)
            return guided(uncond, cond, _GUIDANCE)

        x_T = noise.expand(len(group.mean), -1, -1, -1)
        rows.append(torch.cat(list(model.decode(sample(eps, x_T, model.schedule, _STEPS))), dim=2))
    save_picture(torch.cat(rows, dim=1), path, zoom=3)
