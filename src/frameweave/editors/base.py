"""What an editor is."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from frameweave.diffusion.samplers.names import AFTER_INVERSION, SAMPLERS, SamplerName
from frameweave.diffusion.schedule import Schedule
from frameweave.editors.request import EditRequest
from frameweave.models.seam import Latents
from frameweave.runs.settings import Settings


@dataclass(frozen=True)
class OnlyFromText:
    """Beside a setting: it acts in clips that are made from text alone only."""


@dataclass(frozen=True)
class OnlyFromSource:
    """Beside a setting: that value of it acts where there is a source only."""

    value: str


class Editor(Settings):
    """An algorithm; its fields are its settings. What acts in part of the cases is marked, as with `Only`.

    `edit` gives the latents of the edited clip, as many frames as the source has. It leaves the
    network as it was (also when an exception is raised), and on the CPU gives the same bytes for
    the same seed.
    """

    @property
    def uses_source(self) -> bool:
        """Whether the pictures of the source are used, not only their depth."""
        return True

    @property
    def needs_depth(self) -> bool:
        """Whether a ControlNet steers it; usually that is its setting `controlnet`."""
        return bool(getattr(self, "controlnet", False))

    @property
    def takes_anchors(self) -> bool:
        """Whether frames that the user has edited lead the others; see `EditRequest.anchors`."""
        return False

    @property
    def motion_radius(self) -> int:
        """How many neighbours to each side the source's motion is needed for; with 0 it is not estimated."""
        return 0

    @property
    def inverts(self) -> bool:
        """Whether the edit starts from the source's inversion."""
        return self.uses_source

    @property
    def samplers(self) -> tuple[SamplerName, ...]:
        """Those that it can sample with, the usual one first."""
        if getattr(self, "as_published", False):
            return ("ddim",)
        return AFTER_INVERSION if self.inverts else SAMPLERS

    @property
    def takes_spacing(self) -> bool:
        """Whether its timesteps may be spread otherwise than usual."""
        return not getattr(self, "as_published", False)

    @property
    def takes_eta(self) -> bool:
        """Whether the share of fresh noise may be chosen, of samplers that have one."""
        return True

    @property
    def takes_guidance_rescale(self) -> bool:
        """Whether guidance may be rescaled; what holds to one sampler holds to its guidance too."""
        return len(self.samplers) > 1

    spaced_as_published: ClassVar[bool] = False
    """Whether `as_published` spreads the timesteps as published programs do, see `Schedule.as_published`."""

    def spaced(self, schedule: Schedule) -> Schedule:
        """The schedule as the edit spreads its timesteps."""
        published = self.spaced_as_published and bool(getattr(self, "as_published", False))
        return schedule.as_published if published else schedule

    def taken(self, schedule: Schedule, visited: Sequence[float]) -> Sequence[float]:
        """Those of a sampler's timesteps, noisiest first, that the edit takes: some editors begin later."""
        return visited

    @abstractmethod
    def edit(self, request: EditRequest) -> Latents: ...


@runtime_checkable
class Generator(Protocol):
    """An editor that can also make the latents of a clip from text alone; see `text_request`."""

    def generate(self, request: EditRequest) -> Latents: ...
