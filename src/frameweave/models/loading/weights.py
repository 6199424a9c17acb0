"""Networks from folders and hub repositories, with every tensor in its place, or an error that names others.

The libraries fill what a file lacks with random numbers and go on, so what they report is checked here.
"""

import json
import logging
import re
import warnings
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, cast

from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers.utils import logging as transformers_logging

from frameweave.errors import FrameweaveError, ModelFolderError
from frameweave.models.memory import is_out_of_memory

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
_UNUSED = (
    r"(^|\.)position_ids$",  # counted anew by every network
    r"(^|\.)relative_position_index$",
    r"(^|\.)num_batches_tracked$",
    r"(^|\.)mask_token$",  # of training
    r"^neck\.fusion_stage\.layers\.0\.residual_layer1\.",  # DPT: its first layer has nothing to add to
)
"""Tensors that change nothing, whether a file has them or not."""
_OTHER_TOWERS = {
    "CLIPTextModel": (r"^vision_model\.", r"^(text|visual)_projection\.", r"^logit_scale$"),
    "CLIPVisionModel": (r"^text_model\.", r"^(text|visual)_projection\.", r"^logit_scale$"),
}
"""Tensors of a whole CLIP model that one tower of it leaves aside."""
_WHOLE = ("I", "U", "BOOL")  # how the names of their types begin: I8, U8; BF16 is none
_LONGEST = 300  # characters of a library's words
_NAMED = 3  # tensors that an error names
_UNLOADABLE = (OSError, ValueError, RuntimeError, SafetensorError, KeyError)
_TODO = (
    "check the name, the folder or the connection, and that there are safetensors files (of a hub repository "
    "on its main branch), or copy the folder again"
)
_OTHERS = (
    "copy the folder again, or take weights that diffusers or transformers wrote for this kind of network"
)
_LIBRARIES = ("transformers", "diffusers")

M = TypeVar("M", bound=nn.Module)
T = TypeVar("T")


def network(
    from_pretrained: Callable[..., M],
    source: str,
    part: str = "",
    *,
    failing: str = "cannot be loaded",
    hint: str = "",
) -> M:
    """The network in a folder or hub repository, or in a part of it; its class reads it by `from_pretrained`.

    Raises `ModelFolderError`, in the words of `failing`, when a file is missing, damaged or a pickle, when
    its settings make no sense, and when tensors are missing, of another shape, or of another network.
    """
    folder = Path(source) / part
    local = Path(source).is_dir()
    if local:
        check_files(folder)

    def placed(variant: str | None) -> M:
        with _quiet(bars=not local):
            found, told = cast("Callable[..., tuple[M, dict[str, Any]]]", from_pretrained)(
                source,
                subfolder=part,
                use_safetensors=True,
                variant=variant,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are in what is told
                local_files_only=local,
            )
        if wrong := _misplaced(found, told):
            raise ModelFolderError(f"{folder}: {failing}: {wrong}", hint=_OTHERS)
        return found

    try:
        return in_some_precision(folder, placed)
    except Exception as error:
        raise unloadable(folder, error, failing=failing, hint=hint) from error


def unloadable(
    path: Path | str, error: Exception, *, failing: str = "cannot be loaded", hint: str = ""
) -> Exception:
    """What to raise for a library's error about a file; lack of memory and our own errors stay."""
    lacks_memory = isinstance(error, RuntimeError) and is_out_of_memory(error)
    if isinstance(error, FrameweaveError | MemoryError) or lacks_memory:
        return error
    told = " ".join(str(error).split())[:_LONGEST] or "no details"
    kind = "" if isinstance(error, OSError | ValueError | SafetensorError) else f"{type(error).__name__}: "
    return ModelFolderError(f"{path}: {failing} ({kind}{told})", hint=hint or _TODO)


def in_some_precision(folder: Path, load: Callable[[str | None], T]) -> T:
    """What `load` makes of the first variant that it can load; `folder` may be of a hub repository.

    Raises what the first attempt raised when none succeeds.
    """
    first, *others = _variants_of(folder)
    try:
        return load(first)
    except _UNLOADABLE:
        for variant in others:
            with suppress(*_UNLOADABLE):
                return load(variant)
        raise


def _variants_of(folder: Path) -> list[str | None]:
    """Which precisions to ask for: of a local folder fp16 if there is no other, of a hub repository both."""
    if not folder.is_dir():
        return [None, "fp16"]
    names = [path.name for path in folder.glob("*.safetensors")]
    return ["fp16" if names and all(".fp16" in name for name in names) else None]


def check_files(folder: Path) -> None:
    """Raise `ModelFolderError` when weights are pickles only or torn, and for settings of another form."""
    tensors = sorted(folder.glob("*.safetensors"))
    pickles = sorted(path for path in folder.iterdir() if path.suffix in PICKLES)
    if pickles and not tensors:
        refuse_pickle(pickles[0])
    for file in tensors:
        try:
            with safe_open(file, "pt") as opened:
                kinds = {name: str(opened.get_slice(name).get_dtype()) for name in opened.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise ModelFolderError(f"{file}: damaged ({error})", hint="copy or download it again") from error
        check_whole_numbers(file, kinds)
    for file in sorted(folder.glob("*.json")):
        json_object(file)


def check_whole_numbers(file: Path, kinds: Mapping[str, str]) -> None:
    """Raise `ModelFolderError` for quantised weights; `kinds` are the types of tensors by name."""
    if whole := _counted([name for name, kind in kinds.items() if kind.startswith(_WHOLE)], _UNUSED):
        raise ModelFolderError(
            f"{file}: {len(whole)} tensors of whole numbers ({_first(whole)}), as quantised weights are",
            hint="give weights that are not quantised",
        )


def json_object(file: Path) -> dict[str, object]:
    """A file of settings. Raises `ModelFolderError` when it is no JSON object."""
    try:
        found: object = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFolderError(
            f"{file}: cannot be read as JSON ({error})", hint="copy or download it again"
        ) from error
    if not isinstance(found, dict):
        raise ModelFolderError(
            f"{file}: a JSON {type(found).__name__}, expected an object of settings",
            hint="copy or download it again",
        )
    return cast("dict[str, object]", found)


def refuse_pickle(file: Path) -> None:
    """Raise `ModelFolderError` for a file whose name says that it is a pickle."""
    if file.suffix.lower() in PICKLES:
        raise ModelFolderError(
            f"{file}: a pickle file can run code when it is opened and is refused",
            hint="convert it to safetensors on a machine without valuable data, or take a model that has "
            "safetensors files",
        )


def _misplaced(found: nn.Module, told: Mapping[str, Any]) -> str:
    """Which tensors of a network did not come from its file, and which of the file it has no place for."""
    unused = (*_UNUSED, *_OTHER_TOWERS.get(type(found).__name__, ()))
    shapes = {
        name: f"{name} {tuple(has)}, expected {tuple(wants)}" for name, has, wants in told["mismatched_keys"]
    }
    missing = _counted({*told["missing_keys"]} - {*shapes}, _UNUSED)
    empty = {
        name for name, tensor in chain(found.named_parameters(), found.named_buffers()) if tensor.is_meta
    }
    return wrong_tensors(
        type(found).__name__,
        missing or sorted(empty - {*shapes}),
        sorted(shapes.values()),
        _counted(told["unexpected_keys"], unused),
    )


def wrong_tensors(kind: str, missing: list[str], shapes: list[str], others: list[str]) -> str:
    """In words: which tensors of a network of this kind are missing, of another shape, or not of it."""
    wrong = {"missing": missing, "of another shape": shapes, f"not of a {kind}": others}
    return ", ".join(
        f"{len(names)} tensor{'s' * (len(names) > 1)} {what} ({_first(names)})"
        for what, names in wrong.items()
        if names
    )


def _counted(names: Collection[str], but: Collection[str]) -> list[str]:
    """The names that match none of the patterns."""
    return sorted(name for name in names if not any(re.search(pattern, name) for pattern in but))


def _first(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


@contextmanager
def _quiet(*, bars: bool) -> Generator[None, None, None]:
    """The libraries report nothing themselves; their bars are shown only where files may be downloaded."""
    loggers = [logging.getLogger(name) for name in _LIBRARIES]
    levels = [logger.level for logger in loggers]
    shown, hub_silent = transformers_logging.is_progress_bar_enabled(), are_progress_bars_disabled()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Cannot (en|dis)able progress bars")  # the environment chose
        try:
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            if not bars:
                transformers_logging.disable_progress_bar()
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            if shown and not bars:
                transformers_logging.enable_progress_bar()
                if hub_silent:
                    disable_progress_bars()
