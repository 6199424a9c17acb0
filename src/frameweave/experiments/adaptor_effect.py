"""What adaptors change on held-out clips of the world: the same seeds with and without, in pairs."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from frameweave.clip import Clip
from frameweave.diffusion.losses import sim
from frameweave.editors import base
from frameweave.miniature.grammar import phrase
from frameweave.miniature.judge import Judge, packaged_judge
from frameweave.miniature.scene import ATTRIBUTES, Scenes, sample_scenes
from frameweave.miniature.world import Rendered, render_clip
from frameweave.model.adaptor import Adaptor
from frameweave.model.backbone import Backbone, StableDiffusion
from frameweave.model.features import collected, decoder_layers
from frameweave.model.loading import load
from frameweave.progress import SILENT, Progress

SEED = 7777
EDITORS = ("framewise", "text2video_zero")
_FRAMES, _STEPS = 4, 25
_INVERTED_CORRELATION = 0.8  # of neighbours' noise after inversion; measured on these clips


@dataclass(frozen=True, eq=False)
class Variant:
    """An adaptor and how it is used."""

    name: str
    adaptor: Adaptor
    strength: float | None = None
    """Default: the adaptor's own."""
    tokens: bool = False


@dataclass(frozen=True)
class _Task:
    """One edit of one clip, and what a perfect edit would give."""

    drawn: Rendered
    source_prompt: str
    prompt: str
    target: dict[str, str]
    attribute: str
    truth: Float[Tensor, "F 3 H W"]
    seed: int


def effect(
    variants: Sequence[Variant],
    *,
    clips: int = 64,
    editors: Sequence[str] = EDITORS,
    progress: Progress = SILENT,
) -> Iterator[dict[str, Any]]:
    """Yield one row per variant, editor and measure: means without and with, and the paired difference.

    Measures, with an arrow for what is better:

    - `warp error` (down): mean absolute difference of neighbouring frames along the true flow, where
      the content stays visible.
    - `similarity, shared noise` and `similarity, own noise` (up): Sim (Eq. 2) of neighbours' decoder
      features at t = 951, under the same noise and under noise correlated as after an inversion.
    - `target reached`, `others kept` (up): shares of frames in which the judge sees the changed
      attribute as asked for, and the other three as they were.
    - `log-probability` (up): of all four wanted attributes by the judge, mean over attributes.
    - `PSNR to the true edit` (up), in dB: the world knows the perfect edit.
    """
    model, judge = load(device="cpu"), packaged_judge()
    scenes = sample_scenes(clips, seed=SEED, split="held-out")
    seen: dict[tuple[str, str], dict[str, list[float]]] = {}  # of (variant or "", editor)
    for index in progress.track(range(clips), "editing clips with and without"):
        task = _task(scenes, index)
        for variant in (None, *variants):
            name = "" if variant is None else variant.name
            with ExitStack() as stack:
                backbone: Backbone = model
                if variant is not None:
                    use = variant.adaptor.on(model, strength=variant.strength, tokens=variant.tokens)
                    backbone = stack.enter_context(use)
                for editor in editors:
                    measured = _measured(judge, _edited(editor, task, backbone), task)
                    if editor == editors[0]:
                        measured |= _similarities(model, backbone, task)
                    lists = seen.setdefault((name, editor), {key: [] for key in measured})
                    for key, value in measured.items():
                        lists[key].append(value)
    for variant in variants:
        for editor in editors:
            plain, adapted = seen["", editor], seen[variant.name, editor]
            for measure, values in plain.items():
                yield _row(variant.name, editor, measure, torch.tensor([values, adapted[measure]]))


def _row(variant: str, editor: str, measure: str, pairs: Float[Tensor, "2 N"]) -> dict[str, Any]:
    without, adapted = pairs.double()
    change = adapted - without
    return {
        "adaptor": variant,
        "editor": editor,
        "measure": measure,
        "without": f"{float(without.mean()):.5f}",
        "with": f"{float(adapted.mean()):.5f}",
        "difference": f"{float(change.mean()):+.5f} ± {1.96 * float(change.std()) / len(change) ** 0.5:.5f}",
        "clips": len(change),
    }


def _task(scenes: Scenes, index: int) -> _Task:
    """One attribute changed, each kind in turn."""
    attribute = list(ATTRIBUTES)[index % len(ATTRIBUTES)]
    words = scenes.words(index)
    others = [word for word in ATTRIBUTES[attribute] if word != words[attribute]]
    target = words | {attribute: others[index % len(others)]}
    return _Task(
        render_clip(scenes[index], _FRAMES),
        phrase(words),
        phrase(target),
        target,
        attribute,
        render_clip(scenes[index].edited(**{attribute: target[attribute]}), _FRAMES).frames,
        index,
    )


def _edited(name: str, task: _Task, backbone: Backbone) -> Float[Tensor, "F 3 H W"]:
    editor = base.make(name, {"steps": _STEPS})
    depth = task.drawn.depth
    low, high = depth.amin(), depth.amax()
    return base.edit_clip(
        editor,
        Clip.of(task.drawn.frames),
        task.prompt,
        backbone,
        source_prompt=task.source_prompt,
        depth=(depth - low) / (high - low) if editor.needs_depth else None,
        rng=torch.Generator().manual_seed(task.seed),
    ).frames


@torch.no_grad()
def _measured(judge: Judge, frames: Float[Tensor, "F 3 H W"], task: _Task) -> dict[str, float]:
    logits = judge(frames)
    wanted = {key: ATTRIBUTES[key].index(word) for key, word in task.target.items()}
    hits = {key: float((logits[key].argmax(-1) == index).float().mean()) for key, index in wanted.items()}
    chances = [float(logits[key].log_softmax(-1)[:, index].mean()) for key, index in wanted.items()]
    kept = [hit for key, hit in hits.items() if key != task.attribute]
    return {
        "warp error": warp_error(frames, task.drawn),
        "PSNR to the true edit": float(-10 * torch.log10(((frames - task.truth) ** 2).mean())),
        "target reached": hits[task.attribute],
        "others kept": sum(kept) / len(kept),
        "log-probability": sum(chances) / len(chances),
    }


def warp_error(frames: Float[Tensor, "F 3 H W"], drawn: Rendered) -> float:
    """Mean |frame f - frame f+1 moved back along the true flow|, where the same content is seen in both."""
    height, width = frames.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    target = torch.stack([x, y]).float() + drawn.flow[:-1]
    grid = (target.permute(0, 2, 3, 1) + 0.5) * 2 / torch.tensor([width, height]) - 1
    moved = F.grid_sample(torch.cat([frames, drawn.mask], 1)[1:], grid, align_corners=False)
    seen = ((grid.abs() < 1).all(-1) & ((moved[:, 3] > 0.5) == (drawn.mask[:-1, 0] > 0.5)))[:, None]
    difference = (frames[:-1] - moved[:, :3]).abs()
    return float((difference * seen).sum() / (3 * seen.sum()).clamp(min=1))


@torch.no_grad()
def _similarities(model: StableDiffusion, backbone: Backbone, task: _Task) -> dict[str, float]:
    t = 951
    x_0 = model.encode(task.drawn.frames)
    rng = torch.Generator().manual_seed(0)
    shared, own = (torch.randn(n, *x_0.shape[1:], generator=rng) for n in (1, len(x_0)))
    states = backbone.condition([task.prompt], backbone.seen(task.drawn.frames)).states
    found: dict[str, float] = {}
    for name, c in (("shared", 1.0), ("own", _INVERTED_CORRELATION)):
        x_t = model.schedule.add_noise(x_0, c**0.5 * shared + (1 - c) ** 0.5 * own, t)
        with collected(model.unet, decoder_layers(model.unet)) as features:
            backbone.eps(x_t, t, states)
            maps = features.take()
        means = [sim(F_l[:-1], F_l[1:]).mean() for F_l in maps]
        found[f"similarity, {name} noise"] = float(torch.stack(means).mean())
    return found
