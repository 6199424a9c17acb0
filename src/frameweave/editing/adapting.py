"""The adaptor of the options, on a model: how it acts in an editor, and the adapted model."""

import contextlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from frameweave.adaptor.adaptor import Adaptor, load_adaptor
from frameweave.adaptor.card import other_tower
from frameweave.adaptor.options import AUTO
from frameweave.adaptor.packaged import PACKAGED
from frameweave.adaptor.strengths import StrengthSchedule
from frameweave.adaptor.use import AdaptorUse
from frameweave.diffusion.samplers.sampler import DDIM, Sampler
from frameweave.diffusion.spacing import shown
from frameweave.editing.model_options import ModelOptions
from frameweave.editing.options import EditOptions, GenerateOptions
from frameweave.editors.base import Editor
from frameweave.errors import InputError, ModelFolderError
from frameweave.models.control.controls import over_steps
from frameweave.models.loading.choice import MINIATURE
from frameweave.models.loras.asked import asked
from frameweave.models.seam import Model
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.models.vision import NAME_A_TOWER
from frameweave.progress import SILENT, Progress

_SHOWN = 8  # words that a note names
Given = TypeVar("Given", bound=EditOptions | GenerateOptions)


def use_of(adaptor: Adaptor, options: ModelOptions, editor: str, T: int) -> AdaptorUse:
    """How the adaptor acts in an editor: as the options say, else as the adaptor says.

    Raises `InputError` for a strength schedule that cannot be read.
    """
    schedule = options.adaptor_schedule
    strength = options.adaptor_strength if schedule is None else StrengthSchedule.parse(schedule, T)
    return replace(
        adaptor.use(editor, strength=strength, tokens=options.tokens, T=T),
        in_inversion=options.adaptor_in_inversion,
        vision_frame=options.vision_frame,
    )


def settled(options: Given, prompts: Sequence[str], progress: Progress = SILENT) -> Given:
    """The options with the adaptor that `auto` stands for, or without any; says which, and why.

    A packaged adaptor acts where its card says that it helps: in which editors, and for which clips.
    `prompts` are all that is said of the clip. Raises `InputError` for a model that has no packaged adaptor.
    """
    if options.adaptor != AUTO:
        return options
    if options.model != MINIATURE:
        raise InputError(
            f"--adaptor auto with the model {options.model}: no adaptor is packaged for it",
            hint="name one that frameweave train wrote; after frameweave tune it acts where it helps",
        )
    editor, for_others = options.editor, list[str]()
    for name in PACKAGED:
        card = load_adaptor(name).card
        if not card.helps_in(editor):
            continue
        if card.is_for(prompts):
            progress.note(f"the packaged adaptor {name} acts: it is known to help in {editor}")
            return options.replaced(adaptor=name)
        for_others.append(f"{name} is for clips of {_some(card.words)}")
    reason = "; ".join(for_others) or f"none that is packaged is known to help in {editor}"
    progress.note(f"no adaptor acts: {reason}")
    return options.without_adaptor()


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN} other words" if len(words) > _SHOWN else ""
    return f"{', '.join(words[:_SHOWN])}{more}"


def in_steps(model: StableDiffusion, timesteps: Sequence[float]) -> StableDiffusion:
    """The model whose ControlNets and image prompts count their shares on these steps, noisiest first."""
    if not model.controls and not model.image_prompts:
        return model
    prompts = tuple(one.over(timesteps) for one in model.image_prompts)
    return replace(model, controls=over_steps(model.controls, timesteps), image_prompts=prompts)


@contextlib.contextmanager
def adapted(
    model: StableDiffusion,
    options: ModelOptions,
    name: str,
    editor: Editor,
    progress: Progress,
    *,
    sampler: Sampler = DDIM,
    sees_source: bool = True,
) -> Generator[Model, None, None]:
    """The model with the adaptor of the options for the editor of that name, or as it is.

    Published programs know no syntax of prompts: as published, the model reads them as they are written.
    Says how many steps the adaptor acts in. Raises `InputError` for more steps than the model has
    timesteps, `ModelFolderError` when prompt tokens act, for which the model has no vision tower to see a
    source with, and whatever `load_adaptor` and `Adaptor.on` raise.
    """
    if getattr(editor, "as_published", False):
        model = model.as_written()
    schedule = editor.spaced(sampler.on(model.schedule))
    timesteps = [shown(t) for t in schedule.timesteps(int(getattr(editor, "steps", 1)))]
    model = in_steps(model, timesteps)
    taken = editor.taken(model.schedule, timesteps)
    for note in filter(None, _shares_told(model, options.lora, taken, steered=editor.needs_depth)):
        progress.note(note)
    if getattr(editor, "guidance", None) == 1 and getattr(options, "negative_prompt", ""):
        progress.note("without guidance (1) the negative prompt does nothing")
    if options.adaptor is None:
        yield model
        return
    adaptor = load_adaptor(options.adaptor)
    if adaptor.card.base != options.model:
        progress.note(
            f"the adaptor was trained on {adaptor.card.base}, the model is {options.model}: "
            "make sure that they belong together"
        )
    use = use_of(adaptor, options, name, model.schedule.T)
    if options.adaptor_window == "steps":
        use = use.by_share(timesteps)
    sees = use.reads_frames and sees_source
    if sees and model.vision_tower is None:
        raise ModelFolderError(
            f"the adaptor's prompt tokens act in {name}, and the model has no vision tower for them",
            hint=f"{NAME_A_TOWER}, or give --no-tokens",
        )
    if sees and model.vision_tower is not None and (told := other_tower(adaptor.card, model.vision_tower)):
        progress.note(told)
    progress.note(_told(use, taken))
    with adaptor.on(model, use) as adapted_model:
        yield adapted_model


def _shares_told(
    model: StableDiffusion, loras: Sequence[str], timesteps: Sequence[float], *, steered: bool
) -> Iterator[str]:
    """In words, in how many steps each of what has a share of them acts; empty for what acts in all."""
    for control in model.controls if steered else ():
        yield control.use.told(f"the ControlNet of kind {control.kind}", [*map(control.acts, timesteps)])
    for one in model.image_prompts:
        yield one.use.told(f"the picture {one.use.name}", [*map(one.acts, timesteps)])
    for use in map(asked, loras):
        yield use.told(f"the LoRA {use.name}", [use.acts_at(t, model.schedule.T) for t in timesteps])


def _told(use: AdaptorUse, timesteps: Sequence[float]) -> str:
    """In how many steps each part of an adaptor acts that is not silent, in words."""
    if use.silent:
        return "the adaptor does nothing: its LoRA is silent, and no prompt tokens act"
    acts = use.acts(timesteps)
    parts = {"LoRA": acts.lora, "prompt tokens": acts.tokens}
    told = [
        f"{name} in {count} of {len(timesteps)} steps" for name, count in parts.items() if count is not None
    ]
    warning = "" if acts.any else "; WARNING: take more steps or --adaptor-window steps"
    return f"the adaptor acts by its {' and '.join(told)}{warning}"
