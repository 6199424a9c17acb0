"""Before an edit: prompts that cannot be used, words that say nothing, pictures that get small."""

from collections.abc import Iterable, Sequence

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.adaptor.options import AUTO
from frameweave.adaptor.packaged import PACKAGED
from frameweave.editing.footage import Fit
from frameweave.editing.options import EditOptions, GenerateOptions
from frameweave.errors import InputError
from frameweave.models.loading.choice import MINIATURE
from frameweave.models.text.embedding_files import embedding_file
from frameweave.models.text.embedding_words import pattern
from frameweave.models.text.syntax import check, spoken
from frameweave.progress import Progress
from frameweave.world.grammar import unknown_words

Options = EditOptions | GenerateOptions

_SHOWN = 8  # words that a note names


def check_prompts(prompts: Iterable[str], options: Options) -> None:
    """Raise `InputError` for prompts that say nothing or cannot be used, also negative and source prompts."""
    if isinstance(prompts, str):  # each letter would be one
        raise InputError("the prompts are a text, expected a list of texts", hint=f"give [{prompts!r}]")
    asked = list(prompts)
    if not asked or not all(what_is_said(prompt, options).strip() for prompt in asked):
        raise InputError("the prompt is empty", hint="say what the video shall show")
    if _syntax(options) != "plain":
        for prompt in asked:
            check(prompt)
        check(options.negative_prompt, "negative prompt")
        if isinstance(options, EditOptions):
            check(options.source_prompt, "source prompt")


def check_alone(options: EditOptions) -> None:
    """Raise `InputError` for a comparison where one edit is made."""
    if options.compare:
        raise InputError(
            "--compare makes one edit by each editor, expected one edit",
            hint="leave it out; `frameweave edit CLIP --compare` compares, and frameweave.api.compare",
        )


def what_is_said(prompt: str, options: Options) -> str:
    """A prompt without weights and breaks."""
    return spoken(prompt, _syntax(options))


def _syntax(options: Options) -> str:
    """Published programs know none."""
    as_published = isinstance(options, EditOptions) and options.as_published
    return "plain" if as_published else options.prompt_syntax


def advise(options: Options, prompts: Iterable[str], progress: Progress, fit: Fit | None = None) -> None:
    """Say it in a line each, or nothing. `fit` is how the clip is brought to the model's size."""
    texts = [what_is_said(prompt, options) for prompt in (*prompts, options.negative_prompt)]
    for file in [embedding_file(text) for text in options.embedding]:
        own = pattern([file.word])
        if not any(own.search(text) for text in texts):
            progress.note(
                f"no prompt has the word {file.word!r} of the textual inversion {file.path.name}: it does "
                f"nothing; write {file.word} in the prompt or in --negative-prompt"
            )
        texts = [own.sub("", text) for text in texts]  # no word that the Miniature must know
    if options.model == MINIATURE and (unknown := _unknown(texts, options.adaptor)):
        progress.note(_of_words(unknown))
    if fit is not None and options.size is None and max(fit.scaled) < max(fit.original):
        (width, height), (small, low) = fit.original, fit.scaled
        factor = max(fit.original) / max(fit.scaled)
        progress.note(
            f"the clip of {width} x {height} pixels is edited at the model's size, {small} x {low}, and "
            f"enlarged {factor:.3g} times: for finer pictures give a --model for larger ones, or --size"
        )


def _unknown(texts: Iterable[str], adaptor: str | None) -> list[str]:
    """The words that neither the Miniature knows nor the adaptor."""
    words = dict.fromkeys(word for text in texts for word in unknown_words(text))
    if not words or adaptor is None:
        return list(words)
    asked = PACKAGED if adaptor == AUTO else (adaptor,)
    known = {word for name in asked for word in load_adaptor(name).card.words}
    return [word for word in words if word not in known]


def _of_words(words: Sequence[str]) -> str:
    shown = ", ".join(words[:_SHOWN]) + (f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else "")
    says = f"the Miniature has never seen: {shown}; "
    for name in PACKAGED:
        known = load_adaptor(name).card.words
        if taught := [word for word in words if word in known]:
            return f"{says}its adaptor {name} has seen {', '.join(taught[:_SHOWN])}: give --adaptor {name}"
    return (
        f"{says}it knows small drawn objects only, such as 'a red car in the snow': give --model for "
        "anything else, e.g. stable-diffusion-v1-5/stable-diffusion-v1-5"
    )
