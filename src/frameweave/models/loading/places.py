"""Where a model lies (the package, a folder, the hub), and which networks it has beside the usual ones."""

from pathlib import Path

from transformers import CLIPVisionConfig

from frameweave.errors import ModelFolderError
from frameweave.models.loading.choice import KNOWN, MINIATURE, miniature_folder
from frameweave.models.loading.hub import is_hub_id, resolved
from frameweave.models.loading.weights import refuse_pickle, unloadable

CONTROL, VISION, DEPTH = "controlnet", "clip", "depth_estimator"
"""The folders of networks that a model may have beside the usual ones."""


def single_file(name: str) -> Path | None:
    """The file of that name; None for a folder, a hub id, and what is not there."""
    return Path(name) if name != MINIATURE and Path(name).is_file() else None


def located(name: str) -> tuple[str, Path | None]:
    """Where to load a model from, and the local folder if it is one.

    Raises `ModelFolderError` for a file, and for what is neither a folder nor like a hub id.
    """
    folder = miniature_folder() if name == MINIATURE else Path(name)
    if folder.is_dir():
        return str(folder), folder
    refuse_pickle(folder)
    if folder.is_file():
        raise ModelFolderError(
            f"{folder}: a file, expected a diffusers or transformers folder",
            hint="give the folder, or a hub id; --model and --vae take single files",
        )
    if not is_hub_id(name):
        what = "file" if name.endswith(".safetensors") else "folder"
        raise ModelFolderError(
            f"model {name!r}: no such {what}, and not a hub id (owner/name)",
            hint=f"check the path, or give {MINIATURE!r} or e.g. stable-diffusion-v1-5/stable-diffusion-v1-5",
        )
    return name, None


def place(name: str) -> Path | None:
    """The file or folder that a name means; None on a hub, and for settings that the package knows.

    Raises `ModelFolderError` for a file that is a pickle, and where there is nothing of that name.
    """
    if name in KNOWN:
        return None
    if (file := single_file(name)) is not None:
        refuse_pickle(file)
        return file
    return located(name)[1]


def has_part(name: str, part: str, named: str | None) -> bool:
    """Whether a model would have a network beside the usual ones, the named one or the folder's own.

    Nothing is loaded. `part` is `CONTROL`, `VISION` or `DEPTH`.
    """
    folder = place(name)
    return named is not None or (folder is not None and (folder / part).is_dir())


def vision_width(name: str, named: str | None) -> int | None:
    """Width of the vision tower that a model would have, read from its settings alone; None without one.

    Raises `ModelFolderError` when they cannot be read.
    """
    folder = place(name)
    if named is not None:
        (source, _), part = located(resolved(named)), ""
    elif folder is None or not (folder / VISION).is_dir():
        return None
    else:
        source, part = str(folder), VISION
    try:
        config = CLIPVisionConfig.from_pretrained(source, subfolder=part)
    except Exception as error:
        raise unloadable(Path(source) / part, error) from error
    return int(config.hidden_size)
