"""A decoder that looks along time, as Stable Video Diffusion's, for latents of Stable Diffusion 1.x and 2.x.

It steadies what a VAE of pictures decodes anew for each frame. Where a run of frames begins or ends, it knows
of no neighbours; so runs overlap, and pass into one another.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from frameweave.diffusion.contexts import contexts
from frameweave.models.memory import is_out_of_memory
from frameweave.models.seam import Latents

LENGTH, OVERLAP = 14, 4
"""Frames that are decoded together, as many as in its training, and those that neighbouring runs share."""

Pictures = Float[Tensor, "F 3 H W"]
"""Around [-1, 1], float32 on the CPU."""


@dataclass(eq=False)
class TemporalDecoder:
    """The decoder of an `AutoencoderKLTemporalDecoder`, for clips of any length."""

    network: nn.Module
    overflows: bool = True
    """Whether it needs more than fp16."""
    length: int = LENGTH
    overlap: int = OVERLAP
    fits: int = LENGTH
    """Frames that fit into the memory together; a longer run is decoded in shorter ones."""

    def over(self, z: Latents) -> Generator[Pictures, None, None]:
        """The pictures of a clip's unscaled latents, a few at a time, in order.

        Raises the device's out-of-memory error when a single frame does not fit.
        """
        runs = contexts(len(z), self.length, min(self.overlap, self.length - 1))
        if len(runs) == 1:
            yield self._together(z)
            return
        faded = weight = torch.empty(0, 1, 1, 1)  # what an earlier run says of frames of the next one
        for run, after in zip(runs, [*runs[1:], slice(len(z), None)], strict=True):
            pictures, own = self._together(z[run]), self._weights(run.stop - run.start)
            pictures *= own
            pictures[: len(faded)] += faded
            own[: len(weight)] += weight
            ready = after.start - run.start
            yield pictures[:ready] / own[:ready]
            faded, weight = pictures[ready:], own[ready:]

    def _weights(self, n: int) -> Float[Tensor, "n 1 1 1"]:
        """Of the frames of a run: less towards its ends, so that two runs pass into one another."""
        at = torch.arange(n, dtype=torch.float32)
        return torch.minimum(at + 1, n - at).clamp(max=self.overlap + 1)[:, None, None, None]

    def _together(self, z: Latents) -> Pictures:
        """Frames that see one another; in shorter runs where they do not fit."""
        if len(z) <= self.fits:
            try:
                return self._decoded(z)
            except RuntimeError as error:
                if not is_out_of_memory(error) or len(z) == 1:
                    raise
            self.fits = (len(z) + 1) // 2
        shorter = replace(self, length=self.fits, overlap=min(self.overlap, self.fits // 2))
        return torch.cat(list(shorter.over(z)))

    def _decoded(self, z: Latents) -> Pictures:
        pictures_alone = z.new_zeros(1, len(z))
        pictures = self.network(z, num_frames=len(z), image_only_indicator=pictures_alone)
        return pictures.float().cpu()

    @property
    def dtype(self) -> torch.dtype:
        """Of the latents that it takes."""
        return next(self.network.parameters()).dtype
