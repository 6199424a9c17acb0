"""LoRAs of others in a model: their changes are added to its weights.

Why not layers beside the weights: added to the weights they cost nothing in any step, and hold for whatever
calls the networks. The adaptor puts its layers around the model's own, which are the same modules as before,
so neither silences, scales or removes the other. Restoring is copying the original numbers back, which is
exact. A LoRA that acts at some timesteps only has its weights added anew where its share begins or ends, a
few times in a run. A sum is rounded once to the model's precision, however many LoRAs there are: each is
computed in float64 from the original weights, so their order says nothing, and a LoRA whose share is all of T
gives the very weights of one without a share.

The text encoders read a prompt once for all timesteps: what a LoRA adds to them acts throughout.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from frameweave.models.loras.fitted import Addition, LoraFile, additions, lora_file
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.models.timesteps import before_each


@contextmanager
def loras(model: StableDiffusion, asked: Sequence[str]) -> Generator[StableDiffusion, None, None]:
    """The model with LoRAs while the block runs, such as `loras(model, ["ink.safetensors@0.8"])`.

    On leaving, also by an exception, every weight is bit for bit what it was. Raises what `lora_file` and
    `additions` raise before anything is changed.
    """
    added = [one for text in asked for one in additions(lora_file(text), model)]
    before = {one.parameter: one.parameter.detach().clone() for one in added}
    hooks, older = list[RemovableHandle](), _FOLLOWERS.get(model.unet)
    try:
        hooks += _add(model, added)
        yield model
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, values in before.items():
            parameter.data.copy_(values)
        if older is not None:
            older.takes_over(model.unet)
        else:
            _FOLLOWERS.pop(model.unet, None)


def add_loras(model: StableDiffusion, files: Sequence[LoraFile]) -> None:
    """Add LoRAs to a model for good; the original weights are kept only where a share of T needs them.

    Raises what `additions` raises before anything is changed.
    """
    _add(model, [one for file in files for one in additions(file, model)])


@torch.no_grad()
def _add(model: StableDiffusion, added: Sequence[Addition]) -> list[RemovableHandle]:
    by_parameter = dict[nn.Parameter, list[Addition]]()
    for one in added:
        by_parameter.setdefault(one.parameter, []).append(one)
    older = _FOLLOWERS.get(model.unet)
    timed: Timed = {} if older is None else dict(older.timed)
    for parameter, own in by_parameter.items():
        if parameter in timed:
            original, before = timed[parameter]
            timed[parameter] = original, [*before, *own]
        elif any(one.in_unet and not _always(one) for one in own):
            timed[parameter] = parameter.detach().clone(), own
        else:
            _write(parameter, parameter, own)
    if not timed:
        return []
    follower = _Follower(timed, model.schedule.T)
    follower.takes_over(model.unet)
    return [
        before_each(model.unet, follower.at),
        model.unet.register_state_dict_pre_hook(follower.rest),
    ]


Timed = dict[nn.Parameter, tuple[Tensor, list[Addition]]]
"""Parameters that change with the timestep: their original values, and all that is added to them."""


class _Follower:
    """Weights with what the LoRAs that act at a timestep add to them.

    Of several on one UNet, from LoRAs that were added one after the other, the last one alone follows: it
    knows what the others add.
    """

    def __init__(self, timed: Timed, T: int) -> None:
        self.timed = timed
        self._uses = [*{one.use: None for _, own in timed.values() for one in own}]
        self._T = T
        self._acting: tuple[bool, ...] | None = None
        self._follows = False

    def takes_over(self, unet: nn.Module) -> None:
        """From now on this one follows."""
        if (other := _FOLLOWERS.get(unet)) is not None:
            other._follows = False
        _FOLLOWERS[unet] = self
        self._follows, self._acting = True, None
        self.rest()

    def at(self, t: float) -> None:
        """Bring the weights to timestep t."""
        self._take(tuple(use.acts_at(t, self._T) for use in self._uses))

    def rest(self, *_: Any) -> None:
        """Between calls, for what reads or saves the network: only what acts at all timesteps is added."""
        self._take(tuple(use.start == 0 and use.end == 1 for use in self._uses))

    @torch.no_grad()
    def _take(self, acting: tuple[bool, ...]) -> None:
        if acting == self._acting or not self._follows:
            return
        acts = dict(zip(self._uses, acting, strict=True))
        for parameter, (original, own) in self.timed.items():
            _write(parameter, original, [one for one in own if acts[one.use]])
        self._acting = acting


_FOLLOWERS: WeakKeyDictionary[nn.Module, _Follower] = WeakKeyDictionary()
"""The one that follows, of each UNet that has any."""


def _always(one: Addition) -> bool:
    return one.use.start == 0 and one.use.end == 1


def _write(parameter: nn.Parameter, original: Tensor, added: Sequence[Addition]) -> None:
    """Give a parameter the original values and what is added, rounded once."""
    if not added:
        parameter.data.copy_(original)
        return
    exact = torch.float32 if parameter.device.type == "mps" else torch.float64  # Apple's GPUs have no doubles
    precise = original.detach().to(parameter.device, exact)
    total = precise.clone()
    for one in added:
        total += one.to(precise)
    parameter.data.copy_(total)
