"""Null texts kept among the inversions: they serve every prompt for a clip, and a run that goes on."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.inversion import Trajectory
from frameweave.editors.request import EditRequest


def kept_or_made(
    request: EditRequest,
    make: Callable[[], Float[Tensor, "N _ L D"]],
    *,
    start: Float[Tensor, "_ L D"],
    timesteps: Sequence[float],
    about: str,
) -> Float[Tensor, "N _ L D"]:
    """The embeddings at `timesteps` (noisiest first) that were optimised from `start`, or new ones.

    They are kept as a trajectory whose clean latents are `start`, so `about` must tell the clip,
    see `inversion.digest`.
    """
    store = request.inversions
    if store is None:
        return make()
    x_0 = start[:, None]
    kept = store.recall(x_0, about)
    if kept is not None:
        request.progress.note("the null text of this clip is optimised already: that part is skipped")
        return torch.stack([kept.at(t) for t in timesteps])[:, :, 0].to(start)
    made = make()
    latents = torch.cat([x_0[None], made[:, :, None].flip(0)]).cpu()
    store.keep(Trajectory(list(timesteps)[::-1], latents), about)
    return made
