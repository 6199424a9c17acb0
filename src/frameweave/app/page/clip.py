"""The clip of the form: its frames, the bundled samples, and what should be known before an edit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from frameweave.app.loading import after_the_worker
from frameweave.app.uploads import Upload
from frameweave.editing.options import EditOptions, PlanEditOptions
from frameweave.progress import Silent
from frameweave.video import timeline
from frameweave.world.words import PLACES

_FIRST = "blue-car-snow"
"""The sample of the README."""


@dataclass(frozen=True)
class Sample:
    """A clip of the package."""

    path: Path
    caption: str


def samples() -> list[Sample]:
    """The bundled clips; their names say what they show."""
    folder = Path(str(files("frameweave"))) / "world" / "clips"
    found = sorted(folder.glob("*.mp4"), key=lambda path: (path.stem != _FIRST, path.stem))
    return [Sample(path, _caption(path.stem)) for path in found]


def _caption(name: str) -> str:
    colour, noun, place = name.split("-")
    return f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {noun} {PLACES[place][0]}"


@lru_cache(maxsize=64)
def times_of(video: Path) -> tuple[Fraction, ...]:
    """When each frame is shown, in seconds from the first. Raises `InputError` for what is no video."""
    return timeline(video, torn=True).times


@dataclass(frozen=True)
class Notes(Silent):
    """A `Progress` that keeps what is said."""

    said: list[str] = field(default_factory=list[str])

    def note(self, text: str) -> None:
        self.said.append(text)


def warnings(prompts: Sequence[str], options: EditOptions) -> list[str]:
    """What is said of prompts before they are used, such as words that the model does not know."""
    after_the_worker()
    from frameweave.editing.advice import advise

    notes = Notes()
    advise(options, [prompt for prompt in prompts if prompt], notes)
    return notes.said


def estimate(upload: Upload, prompts: Sequence[str], options: EditOptions) -> str:
    """What the edit will take, in a sentence: size, time and memory. The model is loaded for it."""
    after_the_worker()
    from frameweave.editing.planning.beforehand import span
    from frameweave.editing.planning.forecast import plan_edit

    given = {name: getattr(options, name) for name in EditOptions.model_fields}
    found = plan_edit(str(upload.path), prompts, PlanEditOptions.of_table(given))
    width, height = found.size
    scale = max(upload.width, upload.height) / max(found.size)
    enlarged = f", and enlarged {scale:.2g} times" if scale > 1.05 else ""
    room = "" if found.fits else f"; only {found.free_bytes / 1e9:.1f} GB are free"
    return (
        f"{found.frames} frames are edited at {width} × {height} pixels{enlarged}. It takes "
        f"{span(*found.between)} and {found.device_bytes / 1e9:.1f} GB of memory{room}. "
        "The time is a rough guess."
    )
