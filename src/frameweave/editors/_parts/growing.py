"""What editors that sample the edit itself have in common; see `diffusion.deltas`."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from frameweave.diffusion.deltas import Levels, Rho
from frameweave.diffusion.samplers.names import SamplerName
from frameweave.diffusion.schedule import Schedule
from frameweave.editors.base import Editor
from frameweave.editors.request import EditRequest
from frameweave.runs.settings import Count, Only

_USUAL = 4.5


class Growing(Editor):
    """An editor without an inversion, whose steps are those of `diffusion.deltas`."""

    steps: Count = 25
    """Steps of the sampler; those that are noisier than `start_sigma` are left out."""
    guidance: float = 5.0
    """Classifier-free guidance scale (CFG) of the prompt."""
    start_sigma: Annotated[float, Field(ge=0)] = _USUAL
    """How noisy the clip is where the edit starts, as sigma: 4.5 is about t = 770 of 1000. Higher changes
    more, also shapes; 3 suffices for colours; 0 leaves the clip as it is."""
    rho: Rho = "flow"
    """The update: flow, as in FlowEdit; ddpm, as in the edit-friendly DDPM inversion; consistency, as in
    InfEdit, which suits models of few steps."""
    controlnet: bool = False
    """Whether the depth ControlNet steers too, the clip and its edit alike."""
    controlnet_scale: Annotated[float, Only("controlnet", True)] = 1.0
    """How strongly the depth ControlNet steers."""

    @property
    def inverts(self) -> bool:
        return False

    @property
    def samplers(self) -> tuple[SamplerName, ...]:
        """They only say which timesteps are visited: the update is its own."""
        return ("ddim", "lcm")

    @property
    def takes_eta(self) -> bool:
        return False

    def taken(self, schedule: Schedule, visited: Sequence[float]) -> Sequence[float]:
        return Levels.of(schedule, visited, self.start_sigma).t

    def levels(self, request: EditRequest) -> Levels:
        """The steps of an edit. That its first one is far below `start_sigma`, as few steps are, is told."""
        levels = Levels.of(request.schedule, request.timesteps(self.steps), self.start_sigma, rho=self.rho)
        begins = levels.sigma[0]
        if begins < min(self.start_sigma, _USUAL) / 4:
            request.progress.note(
                f"of {self.steps} steps the first below start_sigma={self.start_sigma:g} is at {begins:.2g}, "
                "which changes little: give more --steps"
            )
        return levels
