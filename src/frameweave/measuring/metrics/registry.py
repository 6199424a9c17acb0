"""Which metrics there are: those that the files of this folder give, then those of other packages."""

import importlib
import pkgutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from frameweave.measuring.metrics.base import Metric
from frameweave.measuring.metrics.encoders import Encoder, Patches, Preference, TextImage, Trunk
from frameweave.measuring.metrics.miniature_encoders import JudgeTrunk

GROUP = "frameweave.metrics"
"""The entry points of other packages: each a function like `metrics` of a file here."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Networks:
    """What metrics may look through."""

    trunk: Trunk
    clip: TextImage
    encoder: Encoder
    """Also of the distances that are taken over all clips at once."""
    judge: JudgeTrunk | None = None
    """Where clips show the Miniature's world: it says what it sees, and the true flow is known."""
    pick: Preference | None = None
    """Of PickScore; None when it is not named."""
    dino: Patches | None = None
    """Of the structure distance; None when it is not named."""


Giver = Callable[[Networks], Iterable[Metric]]


def metrics_on(networks: Networks) -> tuple[Metric, ...]:
    """Every metric, in the order of the tables. One of another package that cannot be had is a warning."""
    found = [metric for giver in _givers() for metric in giver(networks)]
    found += _foreign(networks, {metric.name for metric in found})
    return tuple(sorted(found, key=lambda metric: metric.place))


def _givers() -> Iterator[Giver]:
    """Of this folder's files."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        giver = getattr(importlib.import_module(f"{__package__}.{module.name}"), "metrics", None)
        if giver is not None:
            yield giver


def _foreign(networks: Networks, taken: set[str]) -> Iterator[Metric]:
    """Those of other packages, whose names must not be taken."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            given = list(point.load()(networks))
            if odd := [one for one in given if not isinstance(one, Metric)]:
                raise TypeError(f"{type(odd[0]).__name__} in place of a Metric")
        except (Exception, SystemExit) as error:  # whatever another package does wrong
            warnings.warn(f"the metrics of {point.name} cannot be used: {error}", stacklevel=2)
            continue
        for metric in given:
            if metric.name in taken:
                warnings.warn(f"{point.name}: the metric's name {metric.name} is taken", stacklevel=2)
            else:
                taken.add(metric.name)
                yield metric
