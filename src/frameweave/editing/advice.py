"""What a user should know before an edit: words that the model never saw, pictures that it makes small."""

from collections.abc import Iterable, Iterator

from frameweave.editing.footage import Fit
from frameweave.editing.options import EditOptions, GenerateOptions
from frameweave.models.loading import MINIATURE
from frameweave.progress import Progress
from frameweave.world.grammar import unknown_words

_SHOWN = 8  # words that a note names


def advise(
    options: EditOptions | GenerateOptions, prompts: Iterable[str], progress: Progress, fit: Fit | None = None
) -> None:
    """Say it in a line each, or nothing. `fit` is how the clip is brought to the model's size."""
    texts = [*prompts, options.negative_prompt]
    if options.model == MINIATURE:
        for note in _of_words(texts):
            progress.note(note)
    if fit is not None and options.size is None and max(fit.scaled) < max(fit.original):
        (width, height), (small, low) = fit.original, fit.scaled
        factor = max(fit.original) / max(fit.scaled)
        progress.note(
            f"the clip of {width} x {height} pixels is edited at the model's size, {small} x {low}, and "
            f"enlarged {factor:.3g} times: for finer pictures give a --model for larger ones, or --size"
        )


def _of_words(texts: Iterable[str]) -> Iterator[str]:
    words = list(dict.fromkeys(word for text in texts for word in unknown_words(text)))
    if not words:
        return
    shown = ", ".join(words[:_SHOWN]) + (f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else "")
    yield (
        f"the Miniature has never seen: {shown}; it knows small drawn objects only, such as 'a red car in "
        "the snow': give --model for anything else, e.g. stable-diffusion-v1-5/stable-diffusion-v1-5"
    )
