"""Flow by name: OpenCV's methods, none at all, those of other packages, or given in a file or folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np

from frameweave.errors import InputError, RunError, in_one_line
from frameweave.runs.identity import contents
from frameweave.runs.plugins import Plugin, plugged_in
from frameweave.video.colours import Picture
from frameweave.video.motion.given import GivenFlow
from frameweave.video.motion.providers import Field, FlowProvider, dis, farneback, none, opencv

GROUP = "frameweave.flow"
"""The entry points by which other packages bring flow: functions of two pictures."""
USUAL = "dis"
_OWN: Mapping[str, FlowProvider] = {"dis": dis, "farneback": farneback, "none": none}


@dataclass(frozen=True, eq=False)
class Flow:
    """Where flow comes from, and what tells its values from others."""

    name: str
    provider: FlowProvider | GivenFlow
    told: str
    """Its name or contents, with the version of the package that it comes from."""

    @property
    def identity(self) -> str:
        """Of the same identity the same pictures give the same flow. OpenCV is imported where it makes it."""
        by_opencv = self.provider in (dis, farneback)
        return f"{self.told} OpenCV {opencv().__version__}" if by_opencv else self.told

    @property
    def path(self) -> Path | None:
        """Where it is given; None for flow that is estimated."""
        return self.provider.path if isinstance(self.provider, GivenFlow) else None

    def of_clip(
        self, frames: int, size: tuple[int, int], *, numbers: Sequence[int] = (), whole: int = 0
    ) -> "Flow":
        """That of a clip of so many frames; see `GivenFlow.of_clip`."""
        if not isinstance(self.provider, GivenFlow):
            return self
        provider = self.provider.of_clip(frames, size, numbers=numbers, whole=whole)
        return replace(self, provider=provider, told=f"{self.told} from {provider.first}")

    def padded(self, scaled: tuple[int, int]) -> "Flow":
        """That of padded frames; see `GivenFlow.padded`."""
        if not isinstance(self.provider, GivenFlow):
            return self
        provider = self.provider.padded(scaled)
        return replace(self, provider=provider, told=f"{self.told} in {scaled}")


def flow_names() -> list[str]:
    """The names that flow can be asked for by: our own, then those of other packages."""
    return [*_OWN, *sorted(_plugins())]


def flow_of(text: str | None = None) -> Flow:
    """The flow of that name, or given under that path; by default OpenCV's DIS.

    Raises `InputError` when there is none, and for a file that holds none.
    """
    name = text or USUAL
    if name in _OWN:
        return Flow(name, _OWN[name], f"{name} " if name == "none" else name)
    if name in _plugins():
        plugin = _plugins()[name]
        return Flow(name, _Checked(name, plugin.thing), f"{name} {plugin.version}")
    path = Path(name)
    if path.exists():
        return Flow(name, GivenFlow.read(path), f"given {contents(path)}")
    if path.suffix or path.name != name:
        raise InputError(
            f"the flow {name}: no such file or folder",
            hint=f"check the path, or name one of {', '.join(flow_names())}",
        )
    raise InputError.unknown("flow", name, flow_names())


@dataclass(frozen=True, eq=False)
class _Checked:
    """A provider of another package: what it raises or gives that is no flow is told with its name."""

    name: str
    provider: FlowProvider

    def __call__(self, a: Picture, b: Picture) -> Field:
        try:
            found = np.asarray(self.provider(a, b), np.float32)
        except Exception as error:  # other people's code
            raise RunError(
                f"the flow {self.name} failed: {in_one_line(error)}", hint="give another --flow, such as dis"
            ) from error
        if found.shape != (*a.shape[:2], 2):
            raise RunError(
                f"the flow {self.name} gave an array of {found.shape}, expected {(*a.shape[:2], 2)}",
                hint="tell its authors, or give another --flow, such as dis",
            )
        return found


@cache
def _plugins() -> dict[str, Plugin[FlowProvider]]:
    """Those of other packages."""
    return plugged_in(GROUP, "flow", _OWN, _function)


def _function(made: object) -> FlowProvider | str:
    if isinstance(made, type) or not callable(made):
        return "no function of two pictures"
    return cast(FlowProvider, made)
