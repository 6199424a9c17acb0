"""Results of an edit made steadier in latents before they are decoded, and measured beside what they were."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from frameweave.editing.footage import BATCH, Fit, Footage
from frameweave.editing.steadying.figures import KeptFigures, Measuring
from frameweave.models.seam import Frames, Latents, Model
from frameweave.progress import Progress, Timer
from frameweave.video import Picture
from frameweave.video.clip import Clip
from frameweave.video.motion.motion import Motion
from frameweave.video.motion.steady import Steady


@dataclass(frozen=True, eq=False, kw_only=True)
class Steadier:
    """What makes the results of one edit steadier, whatever the prompt."""

    steady: Steady
    source: Latents
    motion: Motion
    region: Float[Tensor, "_ 1 h w"] | None
    """See `EditRequest.region`."""
    model: Model
    footage: Footage
    fit: Fit
    timer: Timer
    progress: Progress

    def of(self, x: Latents) -> "SteadierResult":
        """The result with these latents."""
        with self.timer.part("steady"):
            after = self.steady.of(x, self.source, self.motion, self.region)
        return SteadierResult(self, x, after)


@dataclass(frozen=True, eq=False)
class SteadierResult:
    """One result, before and after."""

    made_by: Steadier
    before: Latents
    after: Latents
    _measuring: Measuring = field(default_factory=Measuring)

    def pictures(self) -> Iterator[Picture]:
        """At the source's size; they are measured on the way."""
        fit, decoded = self.made_by.fit, self.made_by.model.decoded
        width, height = fit.scaled
        sources = self.made_by.footage.batches(fit, BATCH)
        streams = map(_one_by_one, (decoded(self.after), decoded(self.before), sources))
        for now, was, source in zip(*streams, strict=False):  # of the source there may be more
            self._measuring.add(*(frame[:, :, :height, :width] for frame in (source, was, now)))
            yield from Clip.of(fit.undo(now)).pixels()

    def keep(self, folder: Path, name: str) -> None:
        """Say what was measured, and keep it in the run folder until the run ends."""
        figures = self._measuring.figures()
        self.made_by.progress.note(f"made steadier: temporal error {figures.told}")
        KeptFigures.of(folder).keep(folder, name, figures)


def _one_by_one(parts: Iterator[Frames]) -> Iterator[Frames]:
    for frames in parts:
        yield from frames.split(1)
