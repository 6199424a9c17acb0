"""How a clip is edited with an editor: its request made, the edit within memory, the result decoded."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.editors.base import Editor
from frameweave.editors.registry import check_sampler, name_of, package_of
from frameweave.editors.request import EditRequest
from frameweave.errors import InputError, RunError, in_one_line
from frameweave.models.control.asked import DEPTH
from frameweave.models.memory import memory_for
from frameweave.models.seam import ControlMap, Frames, Latents, Model
from frameweave.video.clip import Clip, check_frames
from frameweave.video.motion.motion import Motion, motion_of
from frameweave.video.motion.steady import Steady

_LESS_MEMORY = ("anchors", "context_length", "chunk", "group", "chunk_size")


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
    check_frames(clip.frames)
    pictures: dict[int, Tensor] = dict(others.pop("anchors", {}))
    for number, picture in pictures.items():
        check_frames(picture[None], what=f"edited frame {number}")
    if depth is not None and DEPTH in (maps or {}):
        raise InputError("depth is given twice, also among the maps", hint="give it once")
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
        x = edited(editor, request) if recalled is None else recalled(lambda: edited(editor, request))
    if steady is not None and steady.strength:
        assert motion is not None
        source = request.x_0 if editor.uses_source else model.encode(clip.frames)
        x = steady.of(x, source, motion, request.region)
    frames = model.decode(x)
    for number, picture in pictures.items():
        frames[number] = picture.to(frames)
    return clip.first(len(x)).with_frames(frames)


def edited(editor: Editor, request: EditRequest) -> Latents:
    """What the editor makes of a request. Raises `InputError` for one that does not keep to its contract."""
    name, (frames, *shape) = name_of(editor), request.x_0.shape
    try:
        x = editor.edit(request)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        if not package_of(name):
            raise
        raise RunError(f"the editor {name} failed: {in_one_line(error)}", hint="tell its authors") from error
    fewer = bool(getattr(editor, "as_published", False))  # some published programs leave out the last ones
    found = _shape_of(x)
    if not (found and [*found[1:]] == shape and (found[0] == frames or (found[0] < frames and fewer))):
        raise InputError(
            f"{name} gives {tuple(found) or type(x).__name__}, expected latents of {(frames, *shape)}",
            hint="correct the editor: `edit` gives the latents of one frame for each of the source",
        )
    return x


def _shape_of(given: object) -> Sequence[int]:
    """Of latents; nothing for what is no tensor, as editors of others may give."""
    return given.shape if isinstance(given, Tensor) else ()


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
