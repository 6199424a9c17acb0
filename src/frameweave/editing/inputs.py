"""What an edit reads, known by content: the video, the mask, the model and its parts, the adaptor."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from frameweave.adaptor.adaptor import adaptor_file
from frameweave.editing.options import EditOptions, ModelOptions
from frameweave.models.identity import identity
from frameweave.models.loading import located
from frameweave.runs.identity import Input
from frameweave.video.sequences import is_pictures, pictures_of


def given_to_edit(video: Path, prompts: Sequence[str], options: EditOptions) -> dict[str, Any]:
    """The input of an edit, as `Run.planned` takes it."""
    given: dict[str, Any] = {"video": footage_input("video", video), "prompts": list(prompts)}
    if options.mask is not None:
        given["mask"] = footage_input("mask", options.mask)
    return given | model_inputs(options)


def footage_input(name: str, path: Path) -> Input:
    """Of a video, a picture, or the pictures of a folder."""
    return Input.of(name, path, pictures_of(path) if is_pictures(path) and path.is_dir() else None)


def model_inputs(options: ModelOptions) -> dict[str, Input]:
    """The model of the options and what belongs to it: weights, settings and vocabulary count.

    A hub id stands for itself. Raises `ModelFolderError` for what is not there.
    """
    found: dict[str, Input] = {}
    for name in ("model", "controlnet", "depth_model", "vision"):
        asked = getattr(options, name)
        if asked is not None:
            found[name] = Input(name, located(asked)[1], identity(asked))
    if options.adaptor is not None:
        found["adaptor"] = Input.of("adaptor", adaptor_file(options.adaptor))
    return found
