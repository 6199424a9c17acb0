"""Values and closed forms that several tests use."""

from torch import Tensor

from frameweave.diffusion.sampling import Eps
from frameweave.diffusion.schedule import Schedule

SD = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def gaussian_eps(schedule: Schedule, mean: float, std: float) -> Eps:
    """The exact noise prediction for data ~ N(mean, std^2): E[eps | x_t]."""

    def eps(x: Tensor, t: int) -> Tensor:
        a = schedule.at(t)
        return (1 - a) ** 0.5 * (x - a**0.5 * mean) / (a * std**2 + 1 - a)

    return eps
