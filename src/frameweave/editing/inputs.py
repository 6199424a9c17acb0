"""What an edit reads, known by content: the video, the mask, the model and its parts, the adaptor."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from frameweave.adaptor.adaptor import adaptor_file
from frameweave.editing.given.anchors import asked
from frameweave.editing.model_options import ModelOptions
from frameweave.editing.options import EditOptions, GenerateOptions
from frameweave.editing.steering import kinds_of
from frameweave.editors import registry
from frameweave.models.identity import inputs_of
from frameweave.runs.identity import Input
from frameweave.video.motion.flows import flow_of
from frameweave.video.sequences import is_pictures, pictures_of


def given_to_edit(video: Path, prompts: Sequence[str], options: EditOptions) -> dict[str, Input | list[str]]:
    """The input of an edit, as `Run.planned` takes it."""
    given: dict[str, Input | list[str]] = {"video": footage_input("video", video), "prompts": list(prompts)}
    if options.mask is not None:
        given["mask"] = footage_input("mask", options.mask)
    for number, file in asked(options.anchor).items():
        given[f"anchor {number}"] = footage_input(f"anchor {number}", file)
    if (flow := flow_of(options.flow).path) is not None:
        given["flow"] = Input.of("flow", flow)
    editors = registry.names() if options.compare else [options.editor]
    return given | map_inputs(options) | model_inputs(options) | editor_inputs(editors)


def editor_inputs(names: Iterable[str]) -> dict[str, Input]:
    """Editors of other packages, by their versions."""
    packages = {f"package of {name}": registry.package_of(name) for name in names}
    return {what: Input(what, None, package) for what, package in packages.items() if package}


def map_inputs(options: EditOptions | GenerateOptions) -> dict[str, Input]:
    """The pictures that steer and are given."""
    files = {f"control map {kind}": Path(file) for kind, file in kinds_of(options.control_map).items()}
    return {name: footage_input(name, file) for name, file in files.items()}


def footage_input(name: str, path: Path) -> Input:
    """Of a video, a picture, or the pictures of a folder."""
    return Input.of(name, path, pictures_of(path) if is_pictures(path) and path.is_dir() else None)


def model_inputs(options: ModelOptions) -> dict[str, Input]:
    """The model of the options and what belongs to it: weights, settings and vocabulary count.

    A hub id stands for itself. Raises `ModelFolderError` for what is not there.
    """
    found = inputs_of(options.choice, depth_model=options.depth_model)
    if options.adaptor is not None:
        found["adaptor"] = Input.of("adaptor", adaptor_file(options.adaptor))
    return found
