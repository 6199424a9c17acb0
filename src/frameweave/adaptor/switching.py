"""A LoRA that is in place on a UNet, switched by the timestep of each of the UNet's calls."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from frameweave.adaptor.lora import Lora
from frameweave.adaptor.strengths import StrengthSchedule
from frameweave.models.timesteps import before_each


@dataclass(eq=False)
class Gate:
    """Lets a LoRA follow its strength schedule, or not act at all."""

    open: bool = True

    @contextmanager
    def shut(self) -> Generator[None, None, None]:
        """The LoRA is silent at every timestep while the block runs."""
        before, self.open = self.open, False
        try:
            yield
        finally:
            self.open = before


@contextmanager
def by_timestep(
    unet: nn.Module, lora: Lora, strengths: StrengthSchedule, gate: Gate
) -> Generator[None, None, None]:
    """Before each call of the UNet the LoRA takes the strength of that call's timestep.

    Whatever loop calls the UNet, and with however many of a scheduler's timesteps, the value counts.
    """
    acting = 0.0
    lora.switch(on=False)

    def choose(t: float) -> None:
        nonlocal acting
        act = strengths.at(t) if gate.open else 0.0
        if act == acting:
            return
        if act:
            lora.scale(act)
        if bool(act) != bool(acting):
            lora.switch(bool(act))
        acting = act

    hook = before_each(unet, choose)
    try:
        yield
    finally:
        hook.remove()
