"""What editors that sample the edit itself have in common; see `diffusion.deltas`."""

from frameweave.diffusion.samplers.names import SamplerName
from frameweave.editors.base import Editor


class Growing(Editor):
    """An editor without an inversion, whose steps are those of `diffusion.deltas`."""

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
