"""What is edited in an experiment: clips with prompts, from the Miniature's world or from a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from frameweave.errors import InputError
from frameweave.measuring.metrics.base import Looked
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video import probe
from frameweave.video.clip import Clip, working_size
from frameweave.video.in_step import read_in_step
from frameweave.world.clips import FPS
from frameweave.world.grammar import phrase
from frameweave.world.render import Rendered, render_clip
from frameweave.world.scene import edits_in_turn, sample_scenes

ClipSet = Literal["test", "development", "confirmation"]
SEEDS: dict[ClipSet, int] = {"test": 20_261, "development": 20_262, "confirmation": 20_263}
"""Of the sets of the world's clips. Experiments report on the test set: no training and no choice of settings
may see it. Settings are chosen on the development set. What was found by looking at either is measured once
more on the confirmation set.

Development clips show combinations of attributes that trainings see. The sources of both others show such as
no training sees; what is asked of them may be any."""
_DRAWING = 2  # raised when the same index of a set gives another pair
_AND = " and "
_SHADOW = 5  # pixels around an object that its shadow may reach


@dataclass(frozen=True, eq=False, kw_only=True)
class Pair:
    """A clip with a prompt, and whatever is known about the edit."""

    name: str
    clip: str
    """Several prompts for one clip share its name; they are one unit in the statistics."""
    source: Clip
    prompt: str
    source_prompt: str = ""
    negative: str = ""
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
    visible: Bool[Tensor, "F_minus_1 1 H W"] | None = None
    """Where the same content is seen in a frame and in the next."""

    @cached_property
    def seen_source(self) -> Looked:
        """The source with what encoders saw in it, for all edits of it."""
        return Looked(self.source.frames)

    @cached_property
    def seen_truth(self) -> Looked | None:
        """The true edit likewise."""
        return None if self.truth is None else Looked(self.truth.frames)


def set_name(which: ClipSet, count: int, changes: int = 1) -> str:
    """The name of a set of the world's clips and what is asked of them, which every result carries."""
    shown = {
        "test": "sources of held-out combinations",
        "development": "development set, combinations of the trainings",
        "confirmation": "confirmation set, sources of held-out combinations",
    }[which]
    asked = f", {changes} attributes changed at once" if changes > 1 else ""
    return f"world, {shown}, seed {SEEDS[which]}, drawing {_DRAWING}, {count} clips{asked}"


def world_items(which: ClipSet, count: int, frames: int, changes: int = 1) -> list[dict[str, Any]]:
    """A set of the world's clips: one prompt a clip; each kind of attribute is changed in turn.

    With several `changes`, 1 to 4, each group of that many kinds.
    """
    asked = {"drawing": _DRAWING} | ({"changes": changes} if changes > 1 else {})
    return [
        {"name": f"{index:03d}", "world": SEEDS[which], "index": index, "of": count, "frames": frames} | asked
        for index in range(count)
    ]


def clip_name(item: dict[str, Any]) -> str:
    """What several prompts for one clip share: a table's video, or the item of the world's set."""
    return item.get("video", item["name"])


def pair_of(item: dict[str, Any], model: StableDiffusion) -> Pair:
    """The pair that an item describes: drawn anew, or read from its files and fitted to the model."""
    return _drawn(item) if "world" in item else _read(item, model)


def _drawn(item: dict[str, Any]) -> Pair:
    scenes = sample_scenes(
        item["of"], seed=item["world"], split="train" if item["world"] == SEEDS["development"] else "held-out"
    )
    scene = scenes[item["index"]]
    words = scene.words(0)
    edits = edits_in_turn(words, item["index"], item.get("changes", 1))
    wanted = words | edits
    source = render_clip(scene, item["frames"])
    truth = render_clip(scene.edited(**edits), item["frames"])
    low, high = source.depth.amin(), source.depth.amax()
    return Pair(
        name=item["name"],
        clip=clip_name(item),
        source=_filed(Clip.of(source.frames, fps=FPS)),
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
        visible=still_visible(source),
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


def still_visible(drawn: Rendered) -> Bool[Tensor, "F_minus_1 1 H W"]:
    """Where a pixel's content is inside the next frame, and object stays object, background background."""
    height, width = drawn.flow.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    target = torch.stack([x, y]).float() + drawn.flow[:-1]
    grid = (target.permute(0, 2, 3, 1) + 0.5) * 2 / torch.tensor([width, height]) - 1
    there = F.grid_sample(drawn.mask[1:], grid, align_corners=False)
    inside = (grid.abs() < 1).all(-1)[:, None]
    return inside & ((there > 0.5) == (drawn.mask[:-1] > 0.5))


def _read(item: dict[str, Any], model: StableDiffusion) -> Pair:
    """A line of a table. The clip is scaled to the size at which the model works."""
    source = _clip(item["video"], item, model)
    truth = None
    if item.get("truth"):
        video = Path(item["video"])
        truth = read_in_step(Path(item["truth"]), source, video, frames=item["frames"], size=source.size)
    if truth is not None and len(truth) < len(source):
        raise InputError(
            f"{item['truth']}: {len(truth)} frames, {item['video']} has {len(source)}",
            hint="give a true edit of the same length, or fewer --frames",
        )
    return Pair(
        name=item["name"],
        clip=clip_name(item),
        source=_filed(source),
        prompt=item["prompt"],
        source_prompt=item.get("source_prompt", ""),
        negative=item.get("negative", ""),
        truth=None if truth is None else _filed(truth.first(len(source))),
    )


def _clip(path: str, item: dict[str, Any], model: StableDiffusion) -> Clip:
    info = probe(Path(path))
    size = working_size((info.width, info.height), item.get("size") or model.native, model.multiple)
    return Clip.read(Path(path), frames=item["frames"], size=size)
