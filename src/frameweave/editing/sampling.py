"""The sampler of the options, and what an editor cannot use, which is told before anything is loaded."""

from collections.abc import Mapping
from dataclasses import replace

from frameweave.diffusion.samplers.names import SamplerName, Spacing
from frameweave.diffusion.samplers.sampler import Sampler
from frameweave.editing.sampling_options import SamplingOptions
from frameweave.editors import registry
from frameweave.editors.base import Editor
from frameweave.errors import InputError, ModelFolderError
from frameweave.models.distilled import check_invertible
from frameweave.models.loading.device import HALF
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import Progress

_OF_FEW_STEPS: tuple[SamplerName, ...] = ("lcm", "tcd")


def check_sampling(options: SamplingOptions, editor: Editor, *, sees_source: bool = True) -> None:
    """Raise `InputError` for a sampler, a spacing or guidance that the editor cannot use."""
    if options.eta is not None and options.sampler is None:
        raise InputError("--eta without a sampler", hint="name one with --sampler: ddim or tcd")
    if options.zero_snr and not editor.takes_spacing:
        raise InputError(
            f"--zero-snr: {registry.name_of(editor)} has a noise schedule of its own",
            hint="leave --zero-snr out",
        )
    usual = registry.samplers_of(editor, sees_source=sees_source)[0]
    asked = _asked(options, options.sampler or usual, options.spacing)
    registry.check_sampler(editor, asked, sees_source=sees_source)


def usable(options: SamplingOptions, editors: Mapping[str, Editor], progress: Progress) -> dict[str, Editor]:
    """The editors that can use what is asked for; says of the others why not.

    Raises what `check_sampling` raises when there is none.
    """
    chosen: dict[str, Editor] = {}
    refused: InputError | None = None
    for name, editor in editors.items():
        try:
            check_sampling(options, editor)
            chosen[name] = editor
        except InputError as error:
            refused = error
            progress.note(f"{name} is left out: {error.args[0]}")
    if refused is not None and not chosen:
        raise refused
    return chosen


def sampler_of(
    options: SamplingOptions, model: StableDiffusion, editor: Editor, *, sees_source: bool = True
) -> Sampler:
    """The sampler asked for, else the model's own where no inversion goes before it, else DDIM.

    Raises `ModelFolderError` where half precision is too coarse for its first timestep, and for a consistency
    model in an editor that inverts.
    """
    schedule, allowed = model.schedule, registry.samplers_of(editor, sees_source=sees_source)
    own = "lcm" if model.embeds_guidance and schedule.own == "ddim" else schedule.own
    follows = sees_source and editor.inverts
    if follows:
        check_invertible(model)
    name = options.sampler or (own if own in allowed and not follows else allowed[0])
    spacing = options.spacing
    if spacing is None and editor.takes_spacing and name not in _OF_FEW_STEPS:
        spacing = "trailing" if options.zero_snr else schedule.own_spacing if name == own else None
    sampler = _asked(options, name, spacing)
    if sampler.on(schedule).needs_precision and model.precision in HALF:
        raise ModelFolderError(
            "the sampler starts in pure noise (zero terminal SNR), which is too near 0 for half precision",
            hint="give --dtype fp32, or --spacing leading",
        )
    return sampler


def scheduled(model: StableDiffusion, options: SamplingOptions) -> StableDiffusion:
    """The model with the noise schedule of the options.

    Raises `InputError` for a schedule without signal and a model that predicts noise.
    """
    if not options.zero_snr:
        return model
    if model.prediction == "epsilon":
        raise InputError(
            "--zero-snr with a model that predicts noise: noise alone does not say what the picture is",
            hint="leave --zero-snr out, or give a model of v-prediction",
        )
    return replace(model, schedule=model.schedule.without_signal())


def note_few_steps(
    options: SamplingOptions, model: StableDiffusion, editor: Editor, progress: Progress
) -> None:
    """Say where an editor inverts what a consistency model was not taught; see `EditRequest.inverted`."""
    if editor.inverts and model.schedule.own in _OF_FEW_STEPS and options.sampler is None:
        progress.note(
            f"the model is made for the sampler {model.schedule.own}, and {registry.name_of(editor)} inverts "
            "the source by DDIM, which such a model does badly: an editor that does not invert may do better"
        )


def _asked(options: SamplingOptions, name: SamplerName, spacing: Spacing | None) -> Sampler:
    return Sampler(name, eta=options.eta, guidance_rescale=options.guidance_rescale, spacing=spacing)
