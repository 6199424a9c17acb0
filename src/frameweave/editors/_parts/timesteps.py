"""The timesteps of an edit, and whether an inversion passes them."""

from collections.abc import Sequence
from contextlib import suppress

from frameweave.diffusion.schedule import Schedule
from frameweave.errors import InputError


class Timesteps(list[float]):
    """Timesteps of a sampler, noisiest first; perhaps only the last of its `steps`."""

    def __init__(self, values: Sequence[float], steps: int) -> None:
        super().__init__(values)
        self.steps = steps

    def last(self, share: float) -> "Timesteps":
        """The last share of them, at least one."""
        return Timesteps(self[len(self) - max(1, round(share * len(self))) :], self.steps)


def check_passed(schedule: Schedule, wanted: Sequence[float], timesteps: Timesteps) -> None:
    """Raise `InputError` when an inversion over these timesteps passes by one that is wanted."""
    if missing := set(wanted) - set(timesteps):
        finer = range(timesteps.steps, schedule.T + 1)
        enough = next((n for n in finer if set(wanted) <= _visited(schedule, n)), None)
        instead = "" if enough is None else f"give inversion_steps={enough}, or "
        raise InputError(
            f"inversion in {timesteps.steps} steps does not pass the edit's timestep {max(missing):g}",
            hint=f"{instead}leave inversion_steps out",
        )


def _visited(schedule: Schedule, steps: int) -> set[float]:
    """The timesteps of so many steps; none where there are none."""
    with suppress(InputError):
        return set(schedule.timesteps(steps))
    return set()
