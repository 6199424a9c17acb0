"""What an editor is, which ones there are, and what they share."""

import dataclasses
import importlib
import pkgutil
import typing
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.clip import Clip
from frameweave.diffusion.sampling import Eps, guided
from frameweave.errors import InputError
from frameweave.model.backbone import Backbone
from frameweave.progress import SILENT, Progress

_GROUP = "frameweave.editors"

T = TypeVar("T")


@runtime_checkable
class Editor(Protocol):
    """A frozen dataclass of an algorithm's own settings.

    `edit` returns a clip of the same frame count, size and times, leaves the network as it was
    (also when an exception is raised), and on the CPU gives the same bytes for the same seed.
    """

    uses_source: ClassVar[bool]
    """Whether the pictures of the source are used, not only their depth."""
    needs_depth: ClassVar[bool]

    def edit(
        self,
        clip: Clip,
        prompt: str,
        backbone: Backbone,
        *,
        source_prompt: str = "",
        negative: str = "",
        depth: Float[Tensor, "F 1 H W"] | None = None,
        rng: torch.Generator,
        progress: Progress = SILENT,
    ) -> Clip: ...


@runtime_checkable
class Generator(Protocol):
    """An editor that can also make a clip from text alone."""

    def generate(
        self,
        prompt: str,
        backbone: Backbone,
        *,
        frames: int,
        size: tuple[int, int],
        negative: str = "",
        rng: torch.Generator,
        progress: Progress = SILENT,
    ) -> Float[Tensor, "F 3 H W"]: ...


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
    """An editor with those settings that it has among `settings` (None means its default)."""
    kind = load(name)
    known = {field.name for field in dataclasses.fields(kind)}  # pyright: ignore[reportArgumentType]
    return kind(**{key: value for key, value in settings.items() if key in known and value is not None})


def check(clip: Clip, prompt: str, steps: int) -> None:
    """Raise `InputError` for what no editor can work with."""
    if not prompt.strip():
        raise InputError("the prompt is empty", hint="say what the video shall show")
    if len(clip) == 0:
        raise InputError("the clip has no frames", hint="give a clip of at least one frame")
    if steps < 1:
        raise InputError(f"{steps} steps, expected at least 1", hint="50 is usual, 25 is quick")


def prompt_eps(
    backbone: Backbone,
    prompt: str,
    negative: str,
    guidance: float,
    *,
    frames_at_once: int,
    progress: Progress,
    depth: Float[Tensor, "F 1 H W"] | None = None,
    source: Float[Tensor, "F 3 H W"] | None = None,
    on_chunk: Callable[[int, int], None] = lambda _start, _count: None,
) -> Eps:
    """The guided noise prediction for a whole clip, computed in chunks of frames.

    `source` are the frames that are edited, for backbones whose text depends on them. With
    guidance 1 the negative branch is not computed at all. `on_chunk` is told the
    first frame and the count of each chunk before it is computed, in order, at every noise level.
    """
    with_guidance = guidance != 1.0
    condition = backbone.condition([negative, prompt] if with_guidance else [prompt], source)
    if condition.cut:
        progress.note(f"the prompt is too long for the text tower; not seen by it: {condition.cut!r}")

    def eps(x: Tensor, t: int) -> Tensor:
        parts: list[Tensor] = []
        for start in range(0, len(x), frames_at_once):
            chunk = slice(start, start + frames_at_once)
            on_chunk(start, len(x[chunk]))
            near = None if depth is None else depth[chunk]
            branches = backbone.eps(x[chunk], t, condition.of(chunk), near)
            parts.append(guided(branches[0], branches[1], guidance) if with_guidance else branches[0])
        return torch.cat(parts)

    return eps


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
        if typing.get_origin(kind) is tuple:
            kinds = typing.get_args(kind)
            return tuple(k(item) for k, item in zip(kinds, text.split(","), strict=True))
    except (ValueError, KeyError) as error:
        expected = getattr(kind, "__name__", str(kind))
        raise InputError(
            f"--set {name}={text}, expected {expected}", hint="see frameweave editors"
        ) from error
    return text
