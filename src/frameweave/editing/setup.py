"""What every edit sets up from its options: editor, model, depth estimator, kept inversions."""

from collections.abc import Callable, Sequence
from typing import Any

from frameweave.diffusion.inversion import Remembered
from frameweave.editing.inversions import InversionStore, setting_of
from frameweave.editing.options import EditOptions, GenerateOptions, ModelOptions, SamplingOptions
from frameweave.editors import base
from frameweave.editors.request import Inversions
from frameweave.errors import InputError, ModelFolderError
from frameweave.models import depth as depth_model
from frameweave.models.loading import load
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import Progress
from frameweave.runs.cache_folder import cache_folder


def load_model(options: ModelOptions, load: Callable[..., StableDiffusion] = load) -> StableDiffusion:
    """The model of the options."""
    return load(
        options.model,
        dtype=options.dtype,
        device=options.device,
        controlnet=options.controlnet,
        vision=options.vision,
    )


def editor_of(options: EditOptions | GenerateOptions) -> base.Editor:
    """The editor of the options with its settings. Raises `InputError` for unknown names and values."""
    return base.make(options.editor, _editor_settings(options, options.editor))


def _editor_settings(options: SamplingOptions, name: str) -> dict[str, Any]:
    settings: dict[str, Any] = {"steps": options.steps, "guidance": options.guidance}
    if isinstance(options, EditOptions) and options.as_published:
        if "as_published" not in base.load(name).model_fields:
            raise InputError(
                f"--as-published: the editor {name} has no published program", hint="leave --as-published out"
            )
        settings["as_published"] = True
    return settings | base.asked_of_each([name], options.set)[name]


def inversions_of(
    model: StableDiffusion, options: EditOptions, editors: Sequence[base.Editor], progress: Progress
) -> Inversions:
    """Where these editors keep inversions. Where none makes any, no weights are hashed for it."""
    if not options.use_cache or not any(editor.uses_source for editor in editors):
        return Remembered()
    folder = options.cache or cache_folder() / "inversions"
    return InversionStore(folder, setting_of(model, options), note=progress.note)


def lacks_for_depth(
    model: StableDiffusion, estimator: depth_model.DepthEstimator | None
) -> tuple[str, str] | None:
    """What an editor that needs depth will miss; see `lacking`."""
    return lacking(controlnet=model.controlnet is not None, estimator=estimator is not None)


def lacking(*, controlnet: bool, estimator: bool) -> tuple[str, str] | None:
    """What is not there of both that depth needs, and the flag that names one; None when all is there."""
    if not controlnet:
        return "depth ControlNet", "--controlnet, e.g. lllyasviel/sd-controlnet-depth"
    if not estimator:
        return "depth estimator", "--depth-model, e.g. depth-anything/Depth-Anything-V2-Small-hf"
    return None


def estimator_of(
    editor: base.Editor, model: StableDiffusion, options: EditOptions
) -> depth_model.DepthEstimator | None:
    """The depth estimator, for editors that need depth."""
    if not editor.needs_depth:
        return None
    estimator = depth_model.load(options.model, options.depth_model, device=options.device)
    if lacks := lacks_for_depth(model, estimator):
        what, flag = lacks
        raise ModelFolderError(
            f"{options.editor} needs depth, and {options.model} has no {what}", hint=f"name one with {flag}"
        )
    return estimator
