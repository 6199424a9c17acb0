"""What an editor is, which ones there are, and what they share."""

import dataclasses
import importlib
import pkgutil
import typing
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.editors._source import Inversions, Source
from frameweave.errors import InputError
from frameweave.models.memory import memory_for
from frameweave.models.seam import Frames, Latents, Model
from frameweave.progress import SILENT, Progress
from frameweave.runs.ranges import ANY, COUNT, NOT_NEGATIVE, SHARE, Range, check_ranges
from frameweave.video.clip import Clip

_GROUP = "frameweave.editors"
_LESS_MEMORY = ("window", "chunk", "frames_at_once")
_RANGES = {
    "steps": COUNT,
    "guidance": ANY,
    "control_scale": ANY,
    "inversion_steps": NOT_NEGATIVE,
    "overlap": NOT_NEGATIVE,
    "attention_share": SHARE,
    "feature_share": SHARE,
    **dict.fromkeys(_LESS_MEMORY, COUNT),
}
"""Of the settings that several editors have."""

T = TypeVar("T")


@runtime_checkable
class Editor(Protocol):
    """A frozen dataclass of an algorithm's own settings.

    `edit` returns the latents of the edited clip, as many frames as the source has. It leaves the
    network as it was (also when an exception is raised), and on the CPU gives the same bytes for
    the same seed.
    """

    @property
    def uses_source(self) -> bool:
        """Whether the pictures of the source are used, not only their depth."""
        ...

    @property
    def needs_depth(self) -> bool: ...

    def edit(
        self,
        source: Source,
        prompt: str,
        model: Model,
        *,
        negative: str = "",
        rng: torch.Generator,
        progress: Progress = SILENT,
    ) -> Latents: ...


@runtime_checkable
class Generator(Protocol):
    """An editor that can also make the latents of a clip from text alone."""

    def generate(
        self,
        prompt: str,
        model: Model,
        *,
        frames: int,
        size: tuple[int, int],
        negative: str = "",
        rng: torch.Generator,
        progress: Progress = SILENT,
    ) -> Latents: ...


def names() -> list[str]:
    """All editors: the files of this folder, then those that other packages bring."""
    folder = Path(__file__).parent
    here = [m.name for m in pkgutil.iter_modules([str(folder)]) if m.name != "base" and m.name[0] != "_"]
    return sorted(here) + sorted(point.name for point in entry_points(group=_GROUP))


def load(name: str) -> Callable[..., Editor]:
    """The editor class of that name: the one dataclass that its module defines.

    Raises `InputError` with the nearest name when there is none.
    """
    if name not in names():
        raise InputError.unknown("editor", name, names())
    for point in entry_points(group=_GROUP, name=name):
        return point.load()
    module = importlib.import_module(f"{__package__}.{name}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == module.__name__
    ]
    public = [kind for kind in found if not kind.__name__.startswith("_")]
    assert len(public) == 1, f"{module.__name__} must define exactly one public dataclass"
    return typing.cast("Callable[..., Editor]", public[0])


def make(name: str, settings: dict[str, Any]) -> Editor:
    """An editor with those settings that it has among `settings` (None means its default).

    Raises `InputError` for an unknown editor, and for settings that make no sense.
    """
    kind = load(name)
    known = {field.name for field in dataclasses.fields(kind)}  # pyright: ignore[reportArgumentType]
    return kind(**{key: value for key, value in settings.items() if key in known and value is not None})


def check(source: Source, prompt: str) -> None:
    """Raise `InputError` for what no editor can work with."""
    if not prompt.strip():
        raise InputError("the prompt is empty", hint="say what the video shall show")
    if len(source) == 0:
        raise InputError("the clip has no frames", hint="give a clip of at least one frame")


def check_settings(editor: Editor, **own: Range) -> None:
    """Raise `InputError` for settings out of range: those that several editors have, and `own` ones."""
    check_ranges(editor, _RANGES | own)


def edit_clip(
    editor: Editor,
    clip: Clip,
    prompt: str,
    model: Model,
    *,
    source_prompt: str = "",
    negative: str = "",
    depth: Float[Tensor, "F 1 H W"] | None = None,
    inversions: Inversions | None = None,
    rng: torch.Generator,
    progress: Progress = SILENT,
) -> Clip:
    """Encode a clip that is held in memory, edit it, and decode the result: same size, times and sound.

    `depth` is inverse depth in [0, 1], for editors that need it. Raises `InputError` for an empty
    prompt or clip, and for sides that are not multiples of `model.vae_factor`.
    """
    source = source_of(
        editor,
        clip.frames,
        model,
        prompt=source_prompt,
        depth=depth if editor.needs_depth else None,
        inversions=inversions,
    )
    with enough_memory(editor, source):
        x = editor.edit(source, prompt, model, negative=negative, rng=rng, progress=progress)
    return clip.first(len(x)).with_frames(model.decode(x))


def enough_memory(editor: Editor, source: Source) -> AbstractContextManager[None]:
    """Raise `OutOfMemory`, with the editor's settings to turn down, when an edit runs out of memory."""
    frames, _, height, width = source.x_0.shape
    lower = [f"{name}={getattr(editor, name)}" for name in _LESS_MEMORY if hasattr(editor, name)]
    return memory_for(
        f"editing {frames} frames of {width} x {height} latents",
        hint=f"give lower settings (--set {', '.join(lower)}), a smaller --size or --dtype fp16",
    )


def source_of(editor: Editor, frames: Frames, model: Model, *, prompt: str = "", **others: Any) -> Source:
    """What the editor needs to know of these frames; `others` are further fields of `Source`.

    The latents are the posterior's mean, or with `posterior_noise` (F C h w) among the draws a sample of it.
    """
    shape = latent_shape(model, len(frames), (frames.shape[3], frames.shape[2]))
    noise = others.get("draws", {}).get("posterior_noise")
    x_0 = model.encode(frames, noise) if editor.uses_source else torch.zeros(1).expand(shape)
    return Source(x_0=x_0, prompt=prompt, seen=model.seen(frames), **others)


def latent_shape(model: Model, frames: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Of the latents of frames of (width, height) pixels.

    Raises `InputError` when a side is not a multiple of `model.vae_factor`.
    """
    (width, height), factor = size, model.vae_factor
    if width % factor or height % factor:
        raise InputError(
            f"frames of {width} x {height} pixels, expected multiples of {factor}",
            hint="choose another --size, or use frameweave.video.clip.working_size",
        )
    return frames, model.channels, height // factor, width // factor


def parse_setting(name: str, text: str, kind: Any) -> Any:
    """The value of an editor's setting from text: numbers, or numbers with commas between.

    >>> parse_setting("motion", "12,0", tuple[float, float])
    (12.0, 0.0)
    """
    try:
        if kind in (int, float):
            return kind(text)
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        if words := choices(kind):
            return words[words.index(text)]
        if typing.get_origin(kind) is tuple:
            kinds = typing.get_args(kind)
            return tuple(k(item) for k, item in zip(kinds, text.split(","), strict=True))
    except (ValueError, KeyError) as error:
        raise InputError(
            f"--set {name}={text}, expected {_expected(kind)}", hint="see frameweave editors"
        ) from error
    return text


def choices(kind: Any) -> tuple[str, ...]:
    """The words that a setting of that type may have; none where it is no choice of words."""
    return typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()


def _expected(kind: Any) -> str:
    if words := choices(kind):
        return f"one of {', '.join(words)}"
    if typing.get_origin(kind) is tuple:
        return f"{len(typing.get_args(kind))} numbers with commas between"
    return "true or false" if kind is bool else kind.__name__
