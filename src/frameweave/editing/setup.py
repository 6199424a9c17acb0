"""What every edit sets up from its options: editor, model, depth estimator, kept inversions."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue

from frameweave.diffusion.inversion import Remembered
from frameweave.editing.advice import check_alone
from frameweave.editing.footage import Checked, Footage
from frameweave.editing.given.control_maps import MapMaker
from frameweave.editing.inversions import InversionStore, setting_of
from frameweave.editing.model_options import ModelOptions
from frameweave.editing.options import EditOptions, GenerateOptions, SteadierOptions
from frameweave.editing.sampling import check_sampling, scheduled
from frameweave.editing.sampling_options import SamplingOptions
from frameweave.editing.steering import check_pictures, kinds_of, made_to_steer
from frameweave.editors import registry, running
from frameweave.editors.base import Editor
from frameweave.editors.request import Inversions
from frameweave.errors import InputError, ModelFolderError
from frameweave.models import depth as depth_model
from frameweave.models.control.asked import DEPTH
from frameweave.models.loading.choice import ModelChoice
from frameweave.models.loading.device import AUTO
from frameweave.models.loading.load import load_chosen
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import Progress
from frameweave.runs.cache_folder import cache_folder
from frameweave.video.motion.flows import Flow, flow_of
from frameweave.video.motion.kept import Motions, MotionStore
from frameweave.video.motion.steady import Steady


def load_model(
    options: ModelOptions, load: Callable[[ModelChoice], StableDiffusion] = load_chosen
) -> StableDiffusion:
    """The model of the options, with their noise schedule. Raises what `scheduled` raises."""
    if not isinstance(options, SamplingOptions):
        return load(options.choice)
    choice = options.choice
    if options.zero_snr and choice.dtype == AUTO:  # pure noise is too near 0 for half precision
        choice = replace(choice, dtype="fp32")
    return scheduled(load(choice), options)


def editor_of(options: EditOptions | GenerateOptions) -> Editor:
    """The editor of the options with its settings, steered by ControlNets if any are asked for.

    Raises `InputError` for unknown names and values, for ControlNets and samplers that cannot be used, and
    for a comparison, which has several editors.
    """
    if isinstance(options, EditOptions):
        check_alone(options)
    asked = registry.asked_of_each([options.editor], options.set)[options.editor]
    settings = editor_settings(options, options.editor, asked)
    made = isinstance(options, EditOptions)
    if options.steers or options.control_map:
        editor = made_to_steer(options.editor, settings)
        check_pictures(options.controlnet, options.control, kinds_of(options.control_map), made=made)
    else:
        editor = registry.make(options.editor, settings)
    registry.check_acting(editor, asked, sees_source=made)
    check_sampling(options, editor, sees_source=made)
    if isinstance(options, EditOptions) and options.anchor and not editor.takes_anchors:
        raise InputError(f"--anchor: {options.editor} takes no edited frames", hint="give --editor anchored")
    return editor


def editor_settings(
    options: SamplingOptions, name: str, asked: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """The settings of an editor: those of the options, and what `--set` asks of it.

    Raises `InputError` where they contradict each other, and for `as_published` of an editor without it.
    """
    fields = registry.load(name).model_fields
    settings: dict[str, JsonValue] = {"steps": options.steps, "guidance": options.guidance}
    if isinstance(options, EditOptions) and options.as_published:
        if "as_published" not in fields:
            raise InputError(
                f"--as-published: the editor {name} has no published program", hint="leave --as-published out"
            )
        settings["as_published"] = True
    for setting, given in settings.items():
        if given is not None and asked.get(setting, given) != given:
            raise InputError(
                f"--{setting.replace('_', '-')} {given} and --set {setting}={asked[setting]}",
                hint="give one of them; --empty-set drops the settings of an earlier run",
            )
    if isinstance(options, EditOptions) and "steps" in fields:
        settings["steps"] = options.steps_for(name, fields["steps"].default)
    return settings | dict(asked)


def steady_of(options: SteadierOptions) -> Steady | None:
    """How much steadier results are made, where that is asked for."""
    usual = Steady()
    if not options.steady:
        return None
    return Steady(options.steady, options.steady_radius or usual.radius)


def looked_at(
    footage: Footage, options: EditOptions, editors: Sequence[Editor], progress: Progress
) -> tuple[Checked, Flow]:
    """Decode what is edited once, and find the flow by which its motion is known.

    Raises `InputError` for no frame to edit, damaged ones, an unknown flow, and one that does not fit.
    """
    flow = flow_of(options.flow)
    checked = footage.check(progress)
    if any(running.motion_reach(editor, steady_of(options)) for editor in editors):
        size = (footage.info.width, footage.info.height)
        flow = flow.of_clip(checked.edited, size, numbers=footage.numbers, whole=footage.whole)
    elif options.flow:
        progress.note(f"no motion is followed in this edit: the flow {options.flow} changes nothing")
    if options.check_inversion and not any(editor.inverts for editor in editors):
        progress.note("no inversion is made in this edit: --check-inversion checks nothing")
    if options.depth_model and not any(editor.needs_depth for editor in editors):
        progress.note(f"nothing is steered by depth in this edit: {options.depth_model} changes nothing")
    if options.vision and options.adaptor is None:
        progress.note(f"no adaptor reads frames in this edit: {options.vision} changes nothing")
    return checked, flow


def motions_of(flow: Flow, options: EditOptions, progress: Progress) -> Motions:
    """The motion of clips, and where it is kept."""
    if not options.use_cache:
        return Motions(flow)
    return Motions(flow, MotionStore(options.cache or cache_folder() / "motion", note=progress.note))


def inversions_of(
    model: StableDiffusion, options: EditOptions, editors: Sequence[Editor], progress: Progress
) -> Inversions:
    """Where these editors keep inversions. Where none makes any, no weights are hashed for it."""
    if not options.use_cache or not any(editor.inverts for editor in editors):
        return Remembered()
    folder = options.cache or cache_folder() / "inversions"
    return InversionStore(folder, setting_of(model, options), note=progress.note)


def lacks_for_depth(
    model: StableDiffusion, estimator: depth_model.DepthEstimator | None, *, given: Collection[str] = ()
) -> tuple[str, str] | None:
    """What an editor that needs depth will miss, but for pictures that are `given`; see `lacking`."""
    unneeded = DEPTH in given or (bool(model.controls) and DEPTH not in model.control_kinds)
    return lacking(controlnet=bool(model.controls), estimator=unneeded or estimator is not None)


def lacking(*, controlnet: bool, estimator: bool) -> tuple[str, str] | None:
    """What is not there of both that depth needs, and the flag that names one; None when all is there."""
    if not controlnet:
        return "depth ControlNet", "--controlnet, e.g. lllyasviel/sd-controlnet-depth"
    if not estimator:
        return "depth estimator", "--depth-model, e.g. depth-anything/Depth-Anything-V2-Small-hf"
    return None


def map_maker(editor: Editor, model: StableDiffusion, options: EditOptions) -> MapMaker:
    """What makes the pictures that steer and are not given, for editors that need them.

    Raises `ModelFolderError` when depth is needed and the model lacks what it takes.
    """
    if not editor.needs_depth:
        return MapMaker(())
    given = kinds_of(options.control_map)
    kinds = [kind for kind in model.control_kinds if kind not in given]
    wanted = DEPTH in kinds or not model.controls
    place = options.device if model.placement is None else "cpu"
    estimator = depth_model.load(options.model, options.depth_model, device=place) if wanted else None
    if estimator is not None and model.placement is not None:
        model.placement.add([estimator.network])
    if lacks := lacks_for_depth(model, estimator, given=given):
        what, flag = lacks
        raise ModelFolderError(
            f"{options.editor} needs depth, and {options.model} has no {what}", hint=f"name one with {flag}"
        )
    return MapMaker(kinds, estimator)
