"""`Sampler`: how noise becomes latents, one value from the options to the loop."""

from dataclasses import dataclass, replace

from torch import Tensor

from frameweave.diffusion.samplers.consistency import lcm, tcd
from frameweave.diffusion.samplers.ddim import ddim
from frameweave.diffusion.samplers.dpm import dpmpp_2m, dpmpp_2m_sde
from frameweave.diffusion.samplers.euler import euler_a
from frameweave.diffusion.samplers.names import (
    AFTER_INVERSION,
    GRIDS,
    SAMPLERS,
    WITH_ETA,
    SamplerName,
    Spacing,
)
from frameweave.diffusion.samplers.unipc import unipc
from frameweave.diffusion.sampling import Step, along_eps
from frameweave.diffusion.schedule import Schedule
from frameweave.errors import InputError

_STEPS: dict[SamplerName, Step] = {
    "euler": along_eps,
    "euler_a": euler_a,
    "dpmpp_2m": dpmpp_2m,
    "dpmpp_2m_sde": dpmpp_2m_sde,
    "unipc": unipc,
    "lcm": lcm,
}
_USUAL_ETA = {"tcd": 0.3}


@dataclass(frozen=True)
class Sampler:
    """A sampler by its name, and how it is used.

    Raises `InputError` for an unknown name, for `eta` where the sampler takes none, and out of range.
    """

    name: SamplerName = "ddim"
    eta: float | None = None
    """The share of fresh noise, of `WITH_ETA`; None means the usual: 0 of DDIM, 0.3 of TCD."""
    guidance_rescale: float = 0.0
    """How much of the deviation without guidance is restored; see `rescaled`."""
    spacing: Spacing | None = None
    """How its timesteps are spread; None means as the model's files say. LCM and TCD have their own."""

    def __post_init__(self) -> None:
        if self.name not in SAMPLERS:
            raise InputError.unknown("sampler", self.name, list(SAMPLERS))
        if self.eta is not None and self.name not in WITH_ETA:
            raise InputError(
                f"eta with the sampler {self.name}, expected {' or '.join(WITH_ETA)}", hint="leave eta out"
            )
        if self.spacing is not None and GRIDS[self.name] == "lcm":
            raise InputError(
                f"spacing {self.spacing} with the sampler {self.name}, which has timesteps of its own",
                hint="leave --spacing out",
            )
        for what, value in (("eta", self.eta or 0.0), ("guidance_rescale", self.guidance_rescale)):
            if not 0 <= value <= 1:
                raise InputError(f"{what} is {value:g}, expected 0 to 1", hint="leave it out for the default")

    @property
    def draws(self) -> bool:
        """Whether it draws noise."""
        return self.name not in AFTER_INVERSION or bool(self.eta)

    @property
    def final(self) -> float | None:
        """alpha_bar after the last step; None is the schedule's own."""
        return None if self.name in WITH_ETA else 1.0

    @property
    def step(self) -> Step:
        """What it does at each step."""
        eta = _USUAL_ETA.get(self.name, 0.0) if self.eta is None else self.eta
        if self.name in WITH_ETA:
            return ddim(eta) if self.name == "ddim" else tcd(eta)
        return _STEPS[self.name]

    def begun(self, noise: Tensor, schedule: Schedule, t: float) -> Tensor:
        """The latents at the first timestep, where they are noise alone.

        Of unit variance, but for Euler's with a spacing that starts at the noisiest timestep: those are as
        large as the noise in what was trained on.
        """
        smaller = GRIDS[self.name] == "euler" and schedule.spacing != "leading"
        return (1 - schedule.at(t)) ** 0.5 * noise if smaller else noise

    def on(self, schedule: Schedule) -> Schedule:
        """The schedule with the timesteps placed as this sampler has them."""
        grid, spacing = GRIDS[self.name], self.spacing or schedule.spacing
        if (grid, spacing) == (schedule.grid, schedule.spacing):
            return schedule
        return replace(schedule, grid=grid, spacing=spacing)


DDIM = Sampler()
