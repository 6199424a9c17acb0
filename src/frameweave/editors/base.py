"""What an editor is, which ones there are, and how a clip is edited with one."""

import importlib
import logging
import pkgutil
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.editors.request import EditRequest
from frameweave.errors import InputError
from frameweave.models.memory import memory_for
from frameweave.models.seam import Frames, Latents, Model
from frameweave.runs.explained import unknown_setting
from frameweave.runs.settings import Settings
from frameweave.video.clip import Clip

GROUP = "frameweave.editors"
"""The entry points by which other packages bring editors."""
_COMMON = ("base", "request")
_LESS_MEMORY = ("context_length", "chunk", "chunk_size")
_log = logging.getLogger("frameweave")


class Editor(Settings):
    """An algorithm; its fields are its settings.

    `edit` gives the latents of the edited clip, as many frames as the source has. It leaves the
    network as it was (also when an exception is raised), and on the CPU gives the same bytes for
    the same seed.
    """

    @property
    def uses_source(self) -> bool:
        """Whether the pictures of the source are used, not only their depth."""
        return True

    @property
    def needs_depth(self) -> bool:
        return False

    @abstractmethod
    def edit(self, request: EditRequest) -> Latents: ...


@runtime_checkable
class Generator(Protocol):
    """An editor that can also make the latents of a clip from text alone; see `text_request`."""

    def generate(self, request: EditRequest) -> Latents: ...


def names() -> list[str]:
    """All editors: the files of this folder, then those that other packages bring."""
    return [*_own_names(), *sorted(_plugins())]


def load(name: str) -> type[Editor]:
    """The editor class of that name: the one public editor that its module defines.

    Raises `InputError` with the nearest name when there is none. Other packages are imported only when the
    name is none of ours.
    """
    if name not in _own_names():
        if name not in _plugins():
            raise InputError.unknown("editor", name, names())
        return _plugins()[name]
    module = importlib.import_module(f"{__package__}.{name}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Editor) and value.__module__ == module.__name__
    ]
    assert len(found) == 1, f"{module.__name__} must define exactly one editor"
    return found[0]


def make(name: str, settings: Mapping[str, Any]) -> Editor:
    """An editor with those settings; None means its default, and text is read as the setting's type.

    Raises `InputError` for an unknown editor, an unknown setting, and a value that makes no sense.
    """
    kind, given = load(name), {key: value for key, value in settings.items() if value is not None}
    for key in given:
        if key not in kind.model_fields:
            raise unknown_setting(f"setting of {name}", key, list(kind.model_fields))
    return kind(**given)


def make_each(settings: Mapping[str, Any], texts: Sequence[str] = ()) -> dict[str, Editor]:
    """Every editor, each with those of `settings` that it has, and what `asked_of_each` reads in `texts`."""
    asked = asked_of_each(names(), texts)
    return {
        name: make(
            name, {key: settings[key] for key in settings if key in load(name).model_fields} | asked[name]
        )
        for name in names()
    }


def asked_of_each(editors: Sequence[str], texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By editor, the settings that texts ask of it, as JSON holds them.

    "chunk_size=4" is meant for every editor that has the setting, "tokenflow.chunk_size=4" for one.
    Raises `InputError` for a setting that none of the editors has, and for a value that makes no sense.
    """
    asked: dict[str, dict[str, str]] = {name: {} for name in editors}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text!r}, expected a name and a value", hint="write it as name=value")
        editor, dot, own = key.rpartition(".")
        if dot and editor not in editors:
            raise InputError.unknown("editor", editor, list(editors))
        meant = [editor] if dot else editors
        takers = [name for name in meant if own in load(name).model_fields]
        if not takers:
            known = sorted({field for name in meant for field in load(name).model_fields})
            raise unknown_setting(f"setting of {', '.join(meant)}", own, known)
        for name in takers:
            asked[name][own] = value
    made = {name: make(name, given).table() for name, given in asked.items()}
    return {name: {key: made[name][key] for key in given} for name, given in asked.items()}


def texts_for(editor: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Those of `texts` that ask something of this editor; see `asked_of_each`."""
    split = [(text, *text.partition("=")[0].rpartition(".")[::2]) for text in texts]
    return tuple(text for text, of, own in split if of in ("", editor) and own in load(editor).model_fields)


def edit_clip(
    editor: Editor,
    clip: Clip,
    prompt: str,
    model: Model,
    *,
    rng: torch.Generator,
    depth: Float[Tensor, "F 1 H W"] | None = None,
    **others: Any,
) -> Clip:
    """Encode a clip that is held in memory, edit it, and decode the result: same size, times and sound.

    `depth` is inverse depth in [0, 1], for editors that need it; `others` are further fields of
    `EditRequest`, such as `negative_prompt`. Raises `InputError` for an empty
    prompt or clip, and for sides that are not multiples of `model.vae_factor`.
    """
    near = depth if editor.needs_depth else None
    request = request_of(editor, clip.frames, model, prompt=prompt, depth=near, rng=rng, **others)
    with enough_memory(editor, request):
        x = editor.edit(request)
    return clip.first(len(x)).with_frames(model.decode(x))


def enough_memory(editor: Editor, request: EditRequest) -> AbstractContextManager[None]:
    """Raise `OutOfMemory`, with the editor's settings to turn down, when an edit runs out of memory."""
    frames, _, height, width = request.x_0.shape
    lower = [f"{name}={getattr(editor, name)}" for name in _LESS_MEMORY if hasattr(editor, name)]
    return memory_for(
        f"editing {frames} frames of {width} x {height} latents",
        hint=f"give lower settings (--set {', '.join(lower)}), a smaller --size or --dtype fp16",
    )


def request_of(editor: Editor, frames: Frames, model: Model, *, prompt: str, **others: Any) -> EditRequest:
    """The request to edit these frames; `others` are further fields of it.

    The latents are the posterior's mean, or with `posterior_noise` (F C h w) among the draws a sample of it.
    """
    shape = latent_shape(model, len(frames), (frames.shape[3], frames.shape[2]))
    noise = others.get("draws", {}).get("posterior_noise")
    x_0 = model.encode(frames, noise) if editor.uses_source else torch.zeros(1).expand(shape)
    return EditRequest(model=model, x_0=x_0, prompt=prompt, seen=model.seen(frames), **others)


def text_request(
    model: Model, *, prompt: str, frames: int, size: tuple[int, int], rng: torch.Generator, **others: Any
) -> EditRequest:
    """The request to make so many frames of `size` (width, height) from text alone."""
    if frames < 1:
        raise InputError(f"{frames} frames, expected at least 1", hint="8 is usual")
    x_0 = torch.zeros(1).expand(latent_shape(model, frames, size))
    return EditRequest(model=model, x_0=x_0, prompt=prompt, rng=rng, **others)


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


@cache
def _own_names() -> list[str]:
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted(m.name for m in modules if m.name not in _COMMON and m.name[0] != "_")


@cache
def _plugins() -> dict[str, type[Editor]]:
    """The editors of other packages. One that cannot be used is told in a line, and left out."""
    found: dict[str, type[Editor]] = {}
    for point in sorted(entry_points(group=GROUP)):
        taken = point.name in found or point.name in _own_names()
        kind = f"the name of {point.value} is taken" if taken else _class_or_reason(point)
        if isinstance(kind, str):
            _log.warning("the editor %s is left out: %s", point.name, kind)
        else:
            found[point.name] = kind
    return found


def _class_or_reason(point: EntryPoint) -> type[Editor] | str:
    """The editor class of an entry point, or in one line why it cannot be used."""
    try:
        kind: object = point.load()
    except (Exception, SystemExit) as error:  # other people's code: whatever it raises, we go on
        told = " ".join(f"{type(error).__name__}: {error}".split())
        return f"{point.value} cannot be imported ({told})"
    if isinstance(kind, type) and issubclass(kind, Editor) and not isabstract(kind):
        return kind
    return f"{point.value} is no frameweave Editor with an edit"
