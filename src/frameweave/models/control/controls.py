"""ControlNets at work: each with its scale and its share of the steps; what they say is added up."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from diffusers import ControlNetModel
from torch import Tensor

from frameweave.errors import InputError, ModelFolderError
from frameweave.models.control.asked import DEPTH
from frameweave.models.control.controlnet import Seen, embedded, residuals
from frameweave.models.loading.strength import Weighted
from frameweave.models.seam import ControlMap
from frameweave.models.timesteps import first_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Control:
    """A ControlNet, what its pictures show, how strongly and when it steers."""

    network: ControlNetModel
    kind: str = DEPTH
    use: Weighted = field(default_factory=lambda: Weighted(DEPTH))
    above: float = -math.inf
    upto: float = math.inf
    """The timesteps in which it acts, without the first and with the second."""

    def over(self, timesteps: Sequence[float]) -> "Control":
        """The same, its share of the steps counted on these timesteps, noisiest first."""
        above, upto = self.use.window(timesteps)
        return replace(self, above=above, upto=upto)

    def about(self, weights: str) -> str:
        """What a result depends on that it steered, `weights` being what tells its network."""
        use = self.use
        if (self.kind, use.strength, use.start, use.end) == (DEPTH, 1, 0, 1):
            return weights
        return f"{self.kind}@{use.strength}:{use.start}-{use.end} {weights}"

    def acts(self, t: float) -> bool:
        """Whether it is run at all at a timestep."""
        return self.use.strength != 0 and self.above < t <= self.upto


def kinds(controls: Sequence[Control]) -> tuple[str, ...]:
    """What their pictures show, each once."""
    return tuple(dict.fromkeys(control.kind for control in controls))


def over_steps(controls: Sequence[Control], timesteps: Sequence[float]) -> tuple[Control, ...]:
    """The same in a run over these timesteps, noisiest first."""
    return tuple(control.over(timesteps) for control in controls)


def check_maps(wanted: Sequence[str], maps: Collection[str], *, who: str = "") -> None:
    """Raise `InputError` when a kind of picture that is wanted is lacking.

    Raises `ModelFolderError` when nothing wants any: the model has no ControlNet.
    """
    for kind in wanted or (DEPTH,):
        if kind not in maps:
            raise InputError(
                f"{who or 'the model'} needs the clip's {kind}, and none was given",
                hint=f"give {kind}, such as --control-map {kind}=FILE",
            )
    if not wanted:
        raise ModelFolderError(
            f"{who} needs a depth ControlNet, and the model has none"
            if who
            else f"{', '.join(maps)} was given, but the model has no depth ControlNet",
            hint="name one with --controlnet, e.g. lllyasviel/sd-controlnet-depth",
        )


def check_fit(maps: Mapping[str, ControlMap], frames: int, size: tuple[int, int]) -> None:
    """Raise `InputError` unless there is a picture for each frame, of the clip's size (width, height)."""
    for kind, shown in maps.items():
        if (len(shown), shown.shape[3], shown.shape[2]) != (frames, *size):
            raise InputError(
                f"{kind} of {len(shown)} frames of {shown.shape[3]} x {shown.shape[2]}, "
                f"the clip has {frames} of {size[0]} x {size[1]}",
                hint=f"give the {kind} of each frame of the clip, at its size",
            )


def steering(
    controls: Sequence[Control], maps: Mapping[str, ControlMap], seen: Seen, *, scale: float
) -> dict[str, object]:
    """The sum of what acting ControlNets say, times their scales and `scale`, as keywords of a UNet's call.

    The batch is branch-major.
    """
    first = first_of(seen.t)
    total: list[Tensor] = []
    for control in controls:
        if scale == 0 or not control.acts(first):
            continue
        features = embedded(control.network, maps[control.kind].to(seen.batch))
        features = features.repeat(len(seen.batch) // len(features), 1, 1, 1)
        own = residuals(control.network, seen, features, scale=scale * control.use.strength)
        total = own if not total else [a + b for a, b in zip(total, own, strict=True)]
    if not total:
        return {}
    return {"down_block_additional_residuals": total[:-1], "mid_block_additional_residual": total[-1]}
