"""What an edit whose model is loaded will take, and how long each of its loops: what its bar is made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from frameweave.editing.adapting import settled
from frameweave.editing.options import EditOptions
from frameweave.editing.planning.forecast import Forecast, forecast
from frameweave.editing.planning.source import Source, source_of
from frameweave.editing.setup import editor_of
from frameweave.errors import RunError
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT

_ONCE = ("inverting",)
"""Loops that further prompts do not repeat: the inversion of a clip is kept."""
_READ, _WRITTEN = "batches of frames read", "frames written"


@dataclass(frozen=True)
class Beforehand:
    """The whole of an edit, before it begins."""

    between: tuple[float, float]
    """Seconds: as quickly and as slowly as it may go."""
    device_bytes: int
    """The most on the device, weights included."""
    parts: tuple[tuple[str, float], ...]
    """Its loops in their order, with their seconds, as `Job` takes them."""

    @property
    def told(self) -> str:
        """In words."""
        return f"{span(*self.between)}, with up to {self.device_bytes / 2**30:.1f} GiB of memory"


def beforehand(
    video: Path, prompts: Sequence[str], options: EditOptions, model: StableDiffusion
) -> Beforehand | None:
    """Of an edit of that video; the model is called twice for it, with a few frames.

    None where shapes alone do not tell it, and where torch would compile the model for the call.
    """
    if options.compile:
        return None
    return of_source(source_of(str(video), options, SILENT), prompts, options, model)


def of_source(
    source: Source, prompts: Sequence[str], options: EditOptions, model: StableDiffusion
) -> Beforehand | None:
    """The same of frames that are not read yet."""
    options = settled(options, [*prompts, options.source_prompt])
    editor = editor_of(options)
    if editor.needs_depth and not model.controls:  # the edit itself will tell what is missing
        return None
    try:
        found = forecast(editor, model, source, prompts, options)
    except RunError:
        return None
    return Beforehand(found.between, found.device_bytes, tuple(_parts(found, len(prompts))))


def _parts(found: Forecast, prompts: int) -> list[tuple[str, float]]:
    read, _, write = found.rows
    parts = [(_READ, found.seconds(read))]
    for number in range(prompts):
        for name, flops in found.loops:
            if not (number and name in _ONCE):
                parts.append((name, flops / found.speed.flops_per_second))
        parts.append((_WRITTEN, found.seconds(write) / prompts))
    return parts


def span(least: float, most: float) -> str:
    """From so many seconds to so many.

    >>> span(7, 7.3), span(7, 18), span(50, 130), span(1e4, 1e4)
    ('about 7 seconds', '7 to 20 seconds', '50 seconds to 2 minutes', 'about 2.8 hours')
    """
    first, last = in_words(least), in_words(most)
    if first == last:
        return f"about {first}"
    (number, unit), (_, other) = first.split(), last.split()
    return f"{number if unit.rstrip('s') == other.rstrip('s') else first} to {last}"


def in_words(seconds: float) -> str:
    """A time, as far as an estimate goes.

    >>> [in_words(t) for t in (0.4, 7, 48, 100, 1500, 9000)]
    ['1 second', '7 seconds', '50 seconds', '2 minutes', '25 minutes', '2.5 hours']
    """
    if seconds < 90:
        whole = max(1, round(seconds) if seconds < 10 else round(seconds, -1))
        return f"{whole:.0f} second{'' if whole == 1 else 's'}"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
