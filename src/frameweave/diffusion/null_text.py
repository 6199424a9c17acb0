"""Null-text optimisation (Mokady et al., CVPR 2023, arXiv 2211.09794): guidance that keeps the source.

DDIM inversion without guidance does not undo sampling with guidance. Here the text embedding of the
unguided branch is optimised at every timestep, so that guided sampling under the source's own
prompt walks back along the inverted trajectory.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.inversion import Trajectory
from frameweave.diffusion.sampling import Eps, ddim_step, guided
from frameweave.diffusion.schedule import Schedule
from frameweave.errors import InputError
from frameweave.progress import SILENT, Progress

States = Float[Tensor, "_ L D"]
"""Text tokens, the same for all frames or one row per frame."""
TextEps = Callable[[Tensor, float, States], Tensor]
"""The noise predicted in x_t (F C h w) at timestep t under a text; gradients must reach the text."""


@dataclass(frozen=True, eq=False)
class NullText:
    """What was found, in denoising order."""

    embeddings: Float[Tensor, "N _ L D"]
    losses: list[list[float]]
    """At each step, before each update."""
    latents: Float[Tensor, "N F C h w"]
    """After each guided step: the source as it is reconstructed."""


def optimise(
    eps: TextEps,
    eps_cond: Eps,
    start: States,
    trajectory: Trajectory,
    *,
    schedule: Schedule,
    steps: int,
    guidance: float,
    inner_steps: int,
    rate: Callable[[int], float],
    enough: Callable[[int], float],
    progress: Progress = SILENT,
) -> NullText:
    """Optimise the unconditional embedding from `start` on, step after step (each goes on from the last).

    `rate` and `enough` give Adam's learning rate and the loss that ends the updates, by the index of
    the step. The trajectory must have all timesteps of the schedule for `steps`. One step costs one
    guided prediction, one with its gradient per update, and one for the updated embedding.

    Raises `InputError` when a loss is not finite.
    """
    timesteps = schedule.timesteps(steps)
    states = start.to(torch.promote_types(start.dtype, torch.float32))
    x = trajectory.at(timesteps[0]).to(start.device)
    embeddings: list[Tensor] = []
    losses: list[list[float]] = []
    latents: list[Tensor] = []
    sized = 2.0 ** math.ceil(math.log2(x.numel()))  # a power of two: gradients keep their digits
    for i, t in enumerate(progress.track(timesteps, "optimising the null text")):
        target = (trajectory.at(timesteps[i + 1]) if i + 1 < steps else trajectory.x_0).to(x)
        a, a_to = schedule.at(t), schedule.at(schedule.before(t, steps))
        with torch.no_grad():
            conditional = eps_cond(x, t)
        states = states.detach().clone().requires_grad_()
        adam = torch.optim.Adam([states], lr=rate(i))
        losses.append([])
        for _ in range(inner_steps):
            with torch.enable_grad():
                eps_uncond = eps(x, t, states.to(start.dtype))
                back = ddim_step(x, guided(eps_uncond, conditional, guidance), a, a_to)
                loss = F.mse_loss(back.to(states.dtype), target.to(states.dtype))
                # The mean's gradient has the size of 1 / x.numel(), where fp16 knows zero only.
                (gradient,) = torch.autograd.grad(loss * sized, states)
                states.grad = gradient / sized
            adam.step()
            losses[-1].append(_finite(float(loss.detach())))
            if losses[-1][-1] < enough(i):
                break
        progress.measure(loss=losses[-1][-1])
        states = states.detach()
        with torch.no_grad():
            x = ddim_step(x, guided(eps(x, t, states.to(start.dtype)), conditional, guidance), a, a_to)
        embeddings.append(states.to(start.dtype))
        latents.append(x)
    progress.measure()  # or else the last loss stays beside the loops that follow
    return NullText(torch.stack(embeddings), losses, torch.stack(latents))


def _finite(loss: float) -> float:
    if math.isfinite(loss):
        return loss
    raise InputError(
        f"null-text optimisation gave a loss of {loss}",
        hint="compute in fp32 or bf16, or switch it off with --set null_text=false",
    )
