"""What is edited in an experiment: clips with prompts, from the Miniature's world or from a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from frameweave.editing.footage import Fit, Footage
from frameweave.errors import InputError
from frameweave.measuring.experiments.items import Item, TableItem, WorldItem, asked_words, scenes_of
from frameweave.measuring.metrics.base import Looked
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video import probe
from frameweave.video.clip import Clip
from frameweave.video.in_step import read_in_step
from frameweave.video.motion.flows import flow_of
from frameweave.video.motion.given import GivenFlow
from frameweave.video.motion.motion import Motion, motion_of
from frameweave.world.clips import FPS
from frameweave.world.grammar import phrase
from frameweave.world.render import flow_back, render_clip, still_visible
from frameweave.world.scene import edits_in_turn

TRUE_FLOW = "true"
"""The name of the flow that is known and not estimated."""
_AND = " and "
_BATCH = 16  # frames that are read at once
_SHADOW = 5  # pixels around an object that its shadow may reach


@dataclass(frozen=True, eq=False, kw_only=True)
class Pair:
    """A clip with a prompt, and whatever is known about the edit."""

    name: str
    clip: str
    """Several prompts for one clip share its name; they are one unit in the statistics."""
    source: Clip
    """At the size of its edits."""
    given: Float[Tensor, "F 3 height width"]
    """What the model is given: the source, which may be padded on the right and below."""
    prompt: str
    source_prompt: str = ""
    negative_prompt: str = ""
    syntax: str = "plain"
    """How the model reads these texts; see `spoken`."""
    about: dict[str, str] = field(default_factory=dict[str, str])
    """What to say about it, e.g. which attribute is changed."""
    depth: Float[Tensor, "F 1 H W"] | None = None
    """Exact inverse depth in [0, 1]; otherwise it is estimated where an editor needs it."""
    truth: Clip | None = None
    """What a perfect edit would give."""
    wanted: dict[str, str] | None = None
    """The attributes that the edited clip should show, in the world's words."""
    mask: Float[Tensor, "F 1 H W"] | None = None
    """Where the edit may change pixels: 1 inside, 0 outside."""
    object: Float[Tensor, "F 1 H W"] | None = None
    """How much of each pixel of the true edit its object covers."""
    flow: Float[Tensor, "F_minus_1 2 H W"] | None = None
    """How far the content of each pixel moves until the next frame, in pixels, x to the right, y down."""
    flow_back: Float[Tensor, "F_minus_1 2 H W"] | None = None
    """The same from each frame but the first one to the frame before."""
    visible: Bool[Tensor, "F_minus_1 1 H W"] | None = None
    """Where the same content is seen in a frame and in the next."""

    def without_padding(self, frames: Float[Tensor, "F 3 height width"]) -> Float[Tensor, "F 3 H W"]:
        """What the model made of `given`, at the source's size."""
        width, height = self.source.size
        return frames[:, :, :height, :width]

    def moving(self, flow: str | None, radius: int, size: tuple[int, int]) -> Motion:
        """How the source moves by a flow of that name, at latents' size of (height, width)."""
        provider = self._true_flow() if flow == TRUE_FLOW else flow_of(flow).provider
        return motion_of(self.given, radius, size=size, provider=provider)

    def _true_flow(self) -> GivenFlow:
        assert self.flow is not None and self.flow_back is not None
        return GivenFlow.of(self.flow, self.flow_back)

    @cached_property
    def seen_source(self) -> Looked:
        """The source with what encoders saw in it, for all edits of it."""
        return Looked(self.source.frames)

    @cached_property
    def seen_truth(self) -> Looked | None:
        """The true edit likewise."""
        return None if self.truth is None else Looked(self.truth.frames)


def pair_of(item: Item, model: StableDiffusion) -> Pair:
    """The pair that an item describes: drawn anew, or read from its files and fitted to the model."""
    return _drawn(item) if isinstance(item, WorldItem) else _read(item, model)


def _drawn(item: WorldItem) -> Pair:
    scene = scenes_of(item.which, item.of)[item.index]
    words = scene.words(0)
    edits = edits_in_turn(words, item.index, item.changes, among=asked_words(item.which))
    wanted = words | edits
    source = render_clip(scene, item.frames)
    truth = render_clip(scene.edited(**edits), item.frames)
    low, high = source.depth.amin(), source.depth.amax()
    clip = _filed(Clip.of(source.frames, fps=FPS))
    return Pair(
        name=item.name,
        clip=item.clip,
        source=clip,
        given=clip.frames,
        source_prompt=phrase(words),
        prompt=phrase(wanted),
        about={
            "attribute": _AND.join(edits),
            "from": _AND.join(words[name] for name in edits),
            "to": _AND.join(edits.values()),
        },
        depth=(source.depth - low) / (high - low),
        truth=_filed(Clip.of(truth.frames, fps=FPS)),
        wanted=wanted,
        mask=edited_area(list(edits), (source.mask, truth.mask)),
        object=truth.mask,
        flow=source.flow[:-1],
        flow_back=flow_back(scene, source)[1:],
        visible=still_visible(source.flow[:-1], source.mask[:-1], source.mask[1:]),
    )


def _filed(clip: Clip) -> Clip:
    """As pictures of 8 bits show it: a copy of the source in a file must not differ from the source."""
    return clip.with_frames((clip.frames * 255).round() / 255)


def edited_area(
    attributes: Sequence[str], masks: Sequence[Float[Tensor, "F 1 H W"]]
) -> Float[Tensor, "F 1 H W"]:
    """Where changing attributes may change pixels, given where the object is before and after.

    Object and colour: the object with its shadow; background: all but the object; style: everywhere.
    """
    return torch.stack([_area_of(attribute, masks) for attribute in attributes]).amax(0)


def _area_of(attribute: str, masks: Sequence[Float[Tensor, "F 1 H W"]]) -> Float[Tensor, "F 1 H W"]:
    if attribute == "style":
        return torch.ones_like(masks[0])
    if attribute == "background":  # a pixel at the object's edge shows some of it
        return (torch.stack(list(masks)).amin(0) < 1).float()
    somewhere = torch.stack(list(masks)).amax(0)
    reach = F.max_pool2d(somewhere, 2 * _SHADOW + 1, stride=1, padding=_SHADOW)
    return (reach > 0).float()


def _read(item: TableItem, model: StableDiffusion) -> Pair:
    """A line of a table. The model is given what `edit` gives it: scaled as a whole, then padded."""
    video = Path(item.video)
    info = probe(video)
    fit = Fit.for_model(model, (info.width, info.height), item.size)
    given = torch.cat(list(Footage(info, item.frames).batches(fit, _BATCH)))
    width, height = fit.scaled
    source = Clip.read(video, frames=item.frames, size=fit.scaled).with_frames(given[:, :, :height, :width])
    truth = None
    if item.truth:
        truth = read_in_step(Path(item.truth), source, video, frames=item.frames, size=fit.scaled)
    if truth is not None and len(truth) < len(source):
        raise InputError(
            f"{item.truth}: {len(truth)} frames, {item.video} has {len(source)}",
            hint="give a true edit of the same length, or fewer --frames",
        )
    return Pair(
        name=item.name,
        clip=item.clip,
        source=_filed(source),
        given=given,
        prompt=item.prompt,
        source_prompt=item.source_prompt,
        negative_prompt=item.negative_prompt,
        syntax=model.text.reading.syntax,
        truth=None if truth is None else _filed(truth.first(len(source))),
    )
