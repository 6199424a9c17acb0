"""How much steadier an edit has become, and at what cost: smoothing alone lowers every measure of flicker."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from frameweave.runs.atomic import write_text
from frameweave.runs.records import JsonObject, Record
from frameweave.video.clip import picture_of
from frameweave.video.motion.motion import Followed, both_ways
from frameweave.video.motion.providers import FlowProvider, dis
from frameweave.video.motion.warp import moved_back

Frame = Float[Tensor, "1 3 H W"]
KEPT = "steadied.json"
"""The file of a run folder in which figures wait for the end of the run."""


class Figures(Record):
    """Of an edit before and after it was made steadier; none where nothing can be measured."""

    temporal_error_before: float | None = None
    """Mean absolute difference of neighbouring frames along the source's motion, in [0, 1], where the content
    is followed."""
    temporal_error_after: float | None = None
    sharpness_before: float | None = None
    """Mean absolute Laplacian, as a share of the source's."""
    sharpness_after: float | None = None

    @property
    def told(self) -> str:
        """In words."""
        errors = (self.temporal_error_before, self.temporal_error_after)
        details = (self.sharpness_before, self.sharpness_after)
        return (
            " -> ".join(_shown(one, 4) for one in errors)
            + ", sharpness "
            + " -> ".join(_shown(one, 2) for one in details)
        )


class KeptFigures(Record):
    """Those of the videos that are finished, by name: a run that goes on does not make them again."""

    videos: dict[str, Figures] = Field(default_factory=dict[str, Figures])

    @classmethod
    def of(cls, folder: Path) -> "KeptFigures":
        """What an earlier run kept in its folder; nothing where it is damaged."""
        try:
            return cls.model_validate_json((folder / KEPT).read_bytes())
        except (OSError, ValueError):
            return cls()

    def keep(self, folder: Path, name: str, figures: Figures) -> None:
        """Write them with those of one more video, atomically."""
        write_text(folder / KEPT, KeptFigures(videos={**self.videos, name: figures}).model_dump_json())

    @property
    def table(self) -> dict[str, JsonObject]:
        """As run.toml holds them."""
        return {name: one.model_dump(exclude_none=True) for name, one in self.videos.items()}


def _shown(value: float | None, digits: int) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"


@dataclass(eq=False)
class Measuring:
    """Takes the frames of source, edit and steadier edit one after the other, all in [0, 1]."""

    provider: FlowProvider = dis
    _last: tuple[Frame, Frame, Frame] | None = None
    _count: int = 0
    _errors: list[float] = field(default_factory=lambda: [0.0, 0.0])
    _followed: float = 0.0
    _details: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    def add(self, source: Frame, before: Frame, after: Frame, to_last: Followed | None = None) -> None:
        """The next frames. How the source is followed to its last frame is estimated where it isn't known."""
        now = (source, before, after)
        if self._last is not None:
            if to_last is None:
                here, there = (picture_of(one[0]) for one in (source, self._last[0]))
                to_last = both_ways((self._count, here), (self._count - 1, there), self.provider)[0]
            self._compare(to_last, now[1:], self._last[1:])
        for at, frame in enumerate(now):
            self._details[at] += float(_laplacian(frame).abs().mean())
        self._last = now
        self._count += 1

    def _compare(self, to_last: Followed, now: tuple[Frame, ...], last: tuple[Frame, ...]) -> None:
        flow, weight = to_last
        self._followed += float(weight.sum())
        for at, (here, there) in enumerate(zip(now, last, strict=True)):
            moved, _ = moved_back(there, flow)
            self._errors[at] += float(((here - moved).abs().mean(1, keepdim=True) * weight).sum())

    def figures(self) -> Figures:
        """Of all frames so far."""
        errors = [round(one / self._followed, 5) if self._followed else None for one in self._errors]
        own, *details = self._details
        shares = [round(one / own, 4) if own else None for one in details]
        return Figures(
            temporal_error_before=errors[0],
            temporal_error_after=errors[1],
            sharpness_before=shares[0],
            sharpness_after=shares[1],
        )


def _laplacian(frame: Frame) -> Tensor:
    """The sum of the four neighbours minus four times the pixel; at the border the frame is repeated."""
    grey = frame.mean(1, keepdim=True)
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).to(grey)
    return F.conv2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), kernel[None, None])
