"""What an adaptor changes on held-out clips of the world: the same seeds with and without it, in pairs."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from frameweave.clip import Clip
from frameweave.diffusion.losses import sim
from frameweave.editors import base
from frameweave.miniature.grammar import phrase
from frameweave.miniature.judge import Judge
from frameweave.miniature.scene import ATTRIBUTES, Scenes, sample_scenes
from frameweave.miniature.world import Rendered, render_clip
from frameweave.model.adaptor import Adaptor
from frameweave.model.backbone import Backbone, StableDiffusion
from frameweave.model.features import collected, decoder_layers
from frameweave.model.loading import load, miniature_folder
from frameweave.progress import SILENT, Progress

SEED = 7777
_FRAMES, _STEPS = 4, 25


def effect(
    adaptor: Adaptor,
    *,
    clips: int = 64,
    editors: tuple[str, ...] = ("framewise", "text2video_zero"),
    tokens: bool = False,
    strength: float | None = None,
    progress: Progress = SILENT,
) -> Iterator[dict[str, Any]]:
    """Yield one row per editor and measure: means without and with, and the paired difference.

    `warp error` is the mean absolute difference of neighbouring frames along the true flow where
    the content stays visible (lower is better); `target reached` and `others kept` are the
    judge's; `similarity in the window` is Sim (Eq. 2) of neighbours' decoder features at t = 951.
    """
    model = load(device="cpu")
    judge = Judge()
    weights = load_file(miniature_folder() / "judge/model.safetensors")
    judge.load_state_dict({key: value.float() for key, value in weights.items()})
    judge.eval()
    scenes = sample_scenes(clips, seed=SEED, split="held-out")
    measured: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for index in progress.track(range(clips), "editing clips with and without"):
        drawn = render_clip(scenes[index], _FRAMES)
        target, attribute = _edit(scenes, index)
        for name in editors:
            both: list[dict[str, float]] = []
            for on in (False, True):
                with adaptor.on(model, strength=strength if on else 0.0, tokens=tokens and on) as backbone:
                    prompts = phrase(scenes.words(index)), phrase(target)
                    frames = _edited(name, drawn, prompts, backbone, index)
                    seen = _judged(judge, frames, target, attribute)
                    seen["warp error"] = warp_error(frames, drawn)
                    if name == editors[0]:
                        seen["similarity in the window"] = _similarity(model, backbone, drawn, phrase(target))
                    both.append(seen)
            for measure in both[0]:
                measured.setdefault((name, measure), []).append((both[0][measure], both[1][measure]))
    for (name, measure), pairs in measured.items():
        yield _row(name, measure, torch.tensor(pairs, dtype=torch.float64))


def _row(editor: str, measure: str, pairs: Float[Tensor, "N 2"]) -> dict[str, Any]:
    change = pairs[:, 1] - pairs[:, 0]
    half = 1.96 * float(change.std()) / len(pairs) ** 0.5
    return {
        "editor": editor,
        "measure": measure,
        "without": f"{float(pairs[:, 0].mean()):.5f}",
        "with": f"{float(pairs[:, 1].mean()):.5f}",
        "difference": f"{float(change.mean()):+.5f} ± {half:.5f}",
        "clips": len(pairs),
    }


def _edit(scenes: Scenes, index: int) -> tuple[dict[str, str], str]:
    """The target's words: one attribute changed, each kind in turn."""
    attribute = list(ATTRIBUTES)[index % len(ATTRIBUTES)]
    words = scenes.words(index)
    others = [word for word in ATTRIBUTES[attribute] if word != words[attribute]]
    return words | {attribute: others[index % len(others)]}, attribute


def _edited(
    name: str, drawn: Rendered, prompts: tuple[str, str], backbone: Backbone, seed: int
) -> Float[Tensor, "F 3 H W"]:
    editor = base.make(name, {"steps": _STEPS})
    low, high = drawn.depth.amin(), drawn.depth.amax()
    return editor.edit(
        Clip.of(drawn.frames),
        prompts[1],
        backbone,
        source_prompt=prompts[0],
        depth=(drawn.depth - low) / (high - low) if editor.needs_depth else None,
        rng=torch.Generator().manual_seed(seed),
    ).frames


def _judged(judge: Judge, frames: Tensor, target: dict[str, str], attribute: str) -> dict[str, float]:
    named = judge.name(frames)
    hits = {
        key: float((named[key] == ATTRIBUTES[key].index(word)).float().mean()) for key, word in target.items()
    }
    kept = [hit for key, hit in hits.items() if key != attribute]
    return {"target reached": hits[attribute], "others kept": sum(kept) / len(kept)}


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
def _similarity(model: StableDiffusion, backbone: Backbone, drawn: Rendered, prompt: str) -> float:
    t = 951
    x_0 = model.encode(drawn.frames)
    noise = torch.randn(x_0[:1].shape, generator=torch.Generator().manual_seed(0)).expand_as(x_0)
    x_t = model.schedule.add_noise(x_0, noise, t)
    with collected(model.unet, decoder_layers(model.unet)) as features:
        backbone.eps(x_t, t, backbone.condition([prompt], drawn.frames).states)
        taken = features.take()
    return float(torch.stack([sim(F_l[:-1], F_l[1:]).mean() for F_l in taken]).mean())
