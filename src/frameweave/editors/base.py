"""What an editor is, which ones there are, and how a clip is edited with one."""

import importlib
import pkgutil
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from inspect import isabstract
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from pydantic import JsonValue
from torch import Tensor

from frameweave.diffusion.samplers.names import AFTER_INVERSION, SAMPLERS, SamplerName
from frameweave.diffusion.samplers.sampler import Sampler
from frameweave.editors.request import EditRequest
from frameweave.errors import InputError
from frameweave.models.control.asked import DEPTH
from frameweave.models.memory import memory_for
from frameweave.models.seam import ControlMap, Frames, Latents, Model
from frameweave.runs.asked import asked_by_editor
from frameweave.runs.explained import unknown_setting
from frameweave.runs.plugins import plugged_in
from frameweave.runs.settings import Settings
from frameweave.video.clip import Clip
from frameweave.video.motion.motion import Motion, motion_of
from frameweave.video.motion.steady import Steady

GROUP = "frameweave.editors"
"""The entry points by which other packages bring editors."""
_COMMON = ("base", "request")
_LESS_MEMORY = ("anchors", "context_length", "chunk", "group", "chunk_size")


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

    @property
    def takes_anchors(self) -> bool:
        """Whether frames that the user has edited lead the others; see `EditRequest.anchors`."""
        return False

    @property
    def motion_radius(self) -> int:
        """How many neighbours to each side the source's motion is needed for; with 0 it is not estimated."""
        return 0

    @property
    def inverts(self) -> bool:
        """Whether the edit starts from the source's inversion."""
        return self.uses_source

    @property
    def samplers(self) -> tuple[SamplerName, ...]:
        """Those that it can sample with, the usual one first."""
        if getattr(self, "as_published", False):
            return ("ddim",)
        return AFTER_INVERSION if self.inverts else SAMPLERS

    @property
    def takes_spacing(self) -> bool:
        """Whether its timesteps may be spread otherwise than usual."""
        return not getattr(self, "as_published", False)

    @property
    def takes_eta(self) -> bool:
        """Whether the share of fresh noise may be chosen, of samplers that have one."""
        return True

    @property
    def takes_guidance_rescale(self) -> bool:
        """Whether guidance may be rescaled; what holds to one sampler holds to its guidance too."""
        return len(self.samplers) > 1

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
    own = {name: settings.keys() & load(name).model_fields.keys() for name in asked}
    return {name: make(name, {key: settings[key] for key in own[name]} | asked[name]) for name in asked}


def asked_of_each(editors: Sequence[str], texts: Sequence[str]) -> dict[str, dict[str, JsonValue]]:
    """By editor, the settings that texts ask of it, as JSON holds them.

    "chunk_size=4" is meant for every editor that has the setting, "tokenflow.chunk_size=4" for one.
    Raises `InputError` for a setting that none of the editors has, and for a value that makes no sense.
    """
    asked = asked_by_editor({name: load(name).model_fields for name in editors}, texts)
    made = {name: make(name, given).table() for name, given in asked.items()}
    return {name: {key: made[name][key] for key in given} for name, given in asked.items()}


def texts_for(editor: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Those of `texts` that ask something of this editor; see `asked_of_each`."""
    split = [(text, *text.partition("=")[0].rpartition(".")[::2]) for text in texts]
    return tuple(text for text, of, own in split if of in ("", editor) and own in load(editor).model_fields)


def samplers_of(editor: Editor, *, sees_source: bool = True) -> tuple[SamplerName, ...]:
    """The samplers of an editor; without a source its settings about one say nothing."""
    free = not sees_source and not getattr(editor, "as_published", False)
    return SAMPLERS if free else editor.samplers


def check_sampler(editor: Editor, sampler: Sampler, *, sees_source: bool = True) -> None:
    """Raise `InputError` for a sampler that the editor cannot use, or not in that way."""
    allowed, inverts = samplers_of(editor, sees_source=sees_source), sees_source and editor.inverts
    own = "its published program has its own" if getattr(editor, "as_published", False) else "it has its own"
    hint = "take what `frameweave editors` lists"
    if sampler.name not in allowed:
        reason = ": it draws noise anew, which is none of the source's" if inverts and sampler.draws else ""
        wrong = f"sampler {sampler.name}, expected {' or '.join(allowed)}{reason}"
        takers = [name for name in names() if sampler.name in samplers_of(make(name, {}))]
        hint = f"editors that take it: {', '.join(takers)}" if takers else hint
    elif inverts and sampler.draws:
        wrong = f"eta {sampler.eta}, expected 0: fresh noise is none of the source's inversion"
    elif sampler.eta and not editor.takes_eta:
        wrong = f"eta {sampler.eta}, expected 0: its noise is always fresh"
    elif sampler.spacing is not None and not editor.takes_spacing:
        wrong = f"spacing {sampler.spacing}, expected none: {own}"
    elif sampler.guidance_rescale and not editor.takes_guidance_rescale:
        wrong = f"guidance_rescale {sampler.guidance_rescale:g}, expected 0"
    else:
        return
    raise InputError(f"{name_of(editor)} with the {wrong}", hint=hint)


def name_of(editor: Editor) -> str:
    """The name under which it is listed."""
    return next((name for name in names() if load(name) is type(editor)), type(editor).__name__)


def edit_clip(
    editor: Editor,
    clip: Clip,
    prompt: str,
    model: Model,
    *,
    rng: torch.Generator,
    depth: Float[Tensor, "F 1 H W"] | None = None,
    maps: Mapping[str, ControlMap] | None = None,
    steady: Steady | None = None,
    recalled: Callable[[Callable[[], Latents]], Latents] | None = None,
    **others: Any,
) -> Clip:
    """Encode a clip that is held in memory, edit it, and decode the result: same size, times and sound.

    `depth` is inverse depth in [0, 1], for editors that need it, and `maps` what else steers, by kind;
    `steady` makes the result steadier before it is decoded; `others` are further fields of `EditRequest`,
    such as `negative_prompt`. `anchors` among them are pictures (3 H W) of the clip's size, by the number of
    their frame; the result has them there as they are. A `motion` among them may reach further than the
    editor needs it. `recalled` is given the function that makes the edited latents, and may return them from
    an equal edit before. Raises `InputError` for an empty prompt or clip, for sides that are not multiples of
    `model.vae_factor`, and for edited frames that do not fit.
    """
    pictures: dict[int, Tensor] = dict(others.pop("anchors", {}))
    others["anchors"] = {number: model.encode(picture[None]) for number, picture in pictures.items()}
    given = dict(maps or {}) | ({} if depth is None else {DEPTH: depth})
    used = given if editor.needs_depth else {}
    motion: Motion | None = others.pop("motion", None)
    if motion is None and (reach := motion_reach(editor, steady)):
        _, _, height, width = latent_shape(model, len(clip), clip.size)
        motion = motion_of(clip.frames, reach, size=(height, width))
    own = motion.within(editor.motion_radius) if motion is not None and editor.motion_radius else None
    request = request_of(editor, clip.frames, model, prompt=prompt, maps=used, rng=rng, motion=own, **others)
    with enough_memory(editor, request):
        x = editor.edit(request) if recalled is None else recalled(lambda: editor.edit(request))
    if steady is not None and steady.strength:
        assert motion is not None
        x = steady.of(x, request.x_0 if editor.uses_source else model.encode(clip.frames), motion)
    frames = model.decode(x)
    for number, picture in pictures.items():
        frames[number] = picture.to(frames)
    return clip.first(len(x)).with_frames(frames)


def motion_reach(editor: Editor, steady: Steady | None = None) -> int:
    """How many neighbours to each side the source's motion is needed for, by the editor or afterwards."""
    return max(editor.motion_radius, steady.radius if steady is not None and steady.strength else 0)


def enough_memory(editor: Editor, request: EditRequest) -> AbstractContextManager[None]:
    """Raise `OutOfMemory`, with the editor's settings to turn down, when an edit runs out of memory."""
    frames, _, height, width = request.x_0.shape
    return memory_for(f"editing {frames} frames of {width} x {height} latents", hint=less_memory(editor))


def less_memory(editor: Editor) -> str:
    """What to do where an editor has too little memory."""
    lower = [f"{name}={getattr(editor, name)}" for name in _LESS_MEMORY if hasattr(editor, name)]
    return f"give lower settings (--set {', '.join(lower)}), a smaller --size or --dtype fp16"


def request_of(editor: Editor, frames: Frames, model: Model, *, prompt: str, **others: Any) -> EditRequest:
    """The request to edit these frames; `others` are further fields of it.

    The latents are the posterior's mean, or with `posterior_noise` (F C h w) among the draws a sample of it.
    The motion is estimated where the editor needs it and none is given.
    """
    if "sampler" in others:
        check_sampler(editor, others["sampler"])
    if others.get("anchors") and not editor.takes_anchors:
        raise InputError(f"{name_of(editor)} takes no edited frames", hint="use the editor anchored")
    shape = latent_shape(model, len(frames), (frames.shape[3], frames.shape[2]))
    noise = others.get("draws", {}).get("posterior_noise")
    x_0 = model.encode(frames, noise) if editor.uses_source else torch.zeros(1).expand(shape)
    if editor.motion_radius and "motion" not in others:
        others["motion"] = motion_of(frames, editor.motion_radius, size=(shape[2], shape[3]))
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
    """The editors of other packages."""
    found = plugged_in(GROUP, "editor", _own_names(), _editor_class)
    return {name: plugin.thing for name, plugin in found.items()}


def _editor_class(kind: object) -> type[Editor] | str:
    if isinstance(kind, type) and issubclass(kind, Editor) and not isabstract(kind):
        return kind
    return "no frameweave Editor with an edit"
