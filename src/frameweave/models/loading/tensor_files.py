"""The safetensors file that a flag names: a file, the one in a folder, or one in a hub repository."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch
from huggingface_hub import HfApi, hf_hub_download
from safetensors import SafetensorError, safe_open
from torch import Tensor

from frameweave.errors import ModelFolderError
from frameweave.models.loading.beginnings import unreadable
from frameweave.models.loading.hub import here, is_hub_id, reachable, resolved
from frameweave.models.loading.weights import PICKLES, refuse_pickle, unloadable

SUFFIX = ".safetensors"
_AGAIN = "download it again"
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, eq=False)
class TensorFile:
    """What a safetensors file holds; every number in it is one."""

    path: Path
    tensors: Mapping[str, Tensor]
    header: Mapping[str, str]


def found(name: str, usual: Sequence[str], what: str, *, belongs: Mapping[str, str] = _NOTHING) -> Path:
    """The file of that name, on this machine by now.

    `name` is a file, a folder, a hub id, or a hub id with the path of a file behind it; of a folder or
    repository the first of the `usual` names is taken, else its only file. What `belongs` to a
    file of that name is there too by now, if it lies beside it. Raises `ModelFolderError` when there is none,
    when there are several, and for pickles.
    """
    if path := local(name, usual, what):
        return path
    parts = name.split("/")
    return _of_hub("/".join(parts[:2]), "/".join(parts[2:]), usual, what, belongs)


def local(name: str, usual: Sequence[str], what: str) -> Path | None:
    """The same without asking the hub: None for what may lie there."""
    path = Path(name)
    if os.path.isdir(name):  # noqa: PTH112 - Path's raises for a name that is too long
        files = [file.name for file in path.iterdir() if file.is_file()]
        return path / _chosen(name, files, usual, what)
    refuse_pickle(path)
    if os.path.isfile(name):  # noqa: PTH113 - as above
        return path
    repository = "/".join(name.split("/")[:2])
    if not is_hub_id(repository) or repository.endswith(SUFFIX):
        raise ModelFolderError(
            f"{what} {name!r}: no such file, and not a hub id (owner/name or owner/name/file{SUFFIX})",
            hint="check the path" if "://" not in name else "download it first, and give the file",
        )
    return None


def _of_hub(
    repository: str, inside: str, usual: Sequence[str], what: str, belongs: Mapping[str, str]
) -> Path:
    try:
        if reachable():
            files = [] if inside and not belongs else HfApi().list_repo_files(repository)
            inside = inside or _chosen(repository, files, usual, what)
            beside = belongs.get(PurePosixPath(inside).name)
            if beside and (other := PurePosixPath(inside).with_name(beside).as_posix()) in files:
                hf_hub_download(repository, other)
            return Path(hf_hub_download(repository, inside))
        folder = here(repository) or Path(resolved(repository))  # which raises
    except Exception as error:
        raise unloadable(
            Path(repository) / inside,
            error,
            hint="check the path of the file, the hub id (owner/name) and the connection",
        ) from error
    members = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
    if inside and inside not in members:
        raise ModelFolderError(
            f"{what} {repository}/{inside}: not on this machine, and the hub does not answer",
            hint=f"run 'hf download {repository} {inside}' once where there is a connection",
        )
    return folder / (inside or _chosen(repository, members, usual, what))


def _chosen(name: str, files: Sequence[str], usual: Sequence[str], what: str) -> str:
    """Which of a folder's or a repository's files is meant."""
    tensors = sorted(file for file in files if file.endswith(SUFFIX))
    for one in usual:
        if one in tensors:
            return one
    if len(tensors) == 1:
        return tensors[0]
    pickles = sorted(file for file in files if PurePosixPath(file).suffix.lower() in PICKLES)
    if pickles and not tensors:
        refuse_pickle(Path(name) / pickles[0])
    told = f"{len(tensors)} files ({', '.join(tensors[:4])}{', ...' * (len(tensors) > 4)})"
    raise ModelFolderError(
        f"{what} {name}: {told if tensors else f'no {SUFFIX} file'} in it, expected one",
        hint=f"name the file, such as {name}/{tensors[0] if tensors else f'file{SUFFIX}'}",
    )


def read(path: Path) -> TensorFile:
    """All of a safetensors file. Raises `ModelFolderError` when it is damaged, no such file, a pickle, or
    has values that are no numbers."""
    try:
        with safe_open(path, "pt") as opened:
            header = opened.metadata() or {}
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise unreadable(path, error) from error
    if not tensors:
        raise ModelFolderError(f"{path}: it holds no tensors", hint=_AGAIN)
    for key, tensor in tensors.items():
        if tensor.numel() == 0:
            raise ModelFolderError(f"{path}: {key} is empty, {tuple(tensor.shape)}", hint=_AGAIN)
        if tensor.numel() > 1 and not tensor.is_floating_point():
            raise ModelFolderError(
                f"{path}: {key} holds whole numbers, as quantised weights do", hint="give one not quantised"
            )
        if not torch.isfinite(tensor.float()).all():
            raise ModelFolderError(
                f"{path}: {key} has values that are no numbers (NaN or infinity)",
                hint="take another version of it: its training went wrong, or the file is damaged",
            )
    return TensorFile(path, tensors, header)
