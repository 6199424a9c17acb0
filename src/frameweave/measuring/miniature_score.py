"""Measures the Miniature on held-out scenes against its bars: samples, edits, inversion, depth."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import CLIPModel

from frameweave.diffusion.inversion import invert
from frameweave.diffusion.sampling import guided, sample
from frameweave.editors.framewise import Framewise
from frameweave.editors.running import edit_clip
from frameweave.editors.text2video_zero import Text2VideoZero
from frameweave.miniature.judge import Judge, packaged_judge
from frameweave.miniature.options import ScoreOptions
from frameweave.miniature.towers import world_pairs, zero_shot
from frameweave.miniature.vae import psnr, world_frames
from frameweave.models.depth import DepthEstimator
from frameweave.models.depth import load as load_depth
from frameweave.models.loading.choice import miniature_folder
from frameweave.models.loading.load import load
from frameweave.models.loading.weights import network
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Progress
from frameweave.video.clip import Clip
from frameweave.video.pictures import save_picture
from frameweave.world.grammar import captions, phrase
from frameweave.world.render import render, render_clip
from frameweave.world.scene import ATTRIBUTES, Scenes, edits_in_turn, sample_scenes

SEED = 4242
STEPS = 25
_EDIT_FRAMES = 4


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured figure with its 95 % interval, its bar, and whether that is reached."""

    measure: str
    value: str
    bar: float
    reached: bool


def row(measure: str, value: float, half: float, bar: float, *, lower_is_better: bool = False) -> Row:
    """The row of a value; `half` is half the width of its interval."""
    shown = f"{value:.3f} ± {half:.3f}" if half else f"{value:.3f}"
    return Row(
        measure=measure, value=shown, bar=bar, reached=value <= bar if lower_is_better else value >= bar
    )


def score(options: ScoreOptions, *, progress: Progress = SILENT) -> Iterator[Row]:
    """Measure everything, row by row; with `options.out` also write sheets of pictures to look at."""
    samples, out = options.samples, options.out
    model, folder = load(), miniature_folder()
    judge = packaged_judge()
    frames = world_frames(512, (SEED, 0), "held-out")
    yield row("VAE PSNR on held-out frames, dB", psnr(model.vae, frames), 0, 29)
    named = judge.name((frames + 1) / 2)
    truth = sample_scenes(512, seed=(SEED, 0), split="held-out").attributes()
    for name in ATTRIBUTES:
        yield _share(f"judge on held-out frames, {name}", named[name] == truth[name], 0.97)
    clip = network(CLIPModel.from_pretrained, str(folder), "clip").float().eval()
    pairs = world_pairs(model.tokenizer, 512, (SEED, 1), "held-out")
    for name, value in zero_shot(clip, model.tokenizer, pairs).items():
        yield row(f"CLIP {name.replace('_', ' ')}", value, _half(value, 512), 0.95)
    yield from _samples(model, judge, samples, out, progress)
    yield _inversion(model)
    yield from _edits(model, judge, max(16, samples // 8), out, progress)
    estimator = load_depth(str(folder))
    if model.controlnet is not None and estimator is not None:
        yield _control(model, estimator, max(32, samples // 4), out, progress)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20
    yield row("all weights together, MB", size, 0, 60, lower_is_better=True)
    yield _speed(model)


def _half(share: float, n: int) -> float:
    return 1.96 * (share * (1 - share) / n) ** 0.5


def _share(measure: str, right: Bool[Tensor, " N"], bar: float) -> Row:
    value = float(right.float().mean())
    return row(measure, value, _half(value, len(right)), bar)


@torch.no_grad()
def sampled(
    model: StableDiffusion, prompts: list[str], *, guidance: float, seed: int, progress: Progress = SILENT
) -> Float[Tensor, "N 3 H W"]:
    """One picture per prompt."""
    side = model.native // model.vae_factor
    pictures: list[Tensor] = []
    for start in progress.track(range(0, len(prompts), 64), "sampling pictures"):
        batch = prompts[start : start + 64]
        states = model.conditioning(["", *batch]).texts[:, 0]
        text = torch.cat([states[:1].expand(len(batch), -1, -1), states[1:]])

        def eps(x: Tensor, t: float, text: Tensor = text) -> Tensor:
            uncond, cond = model.unet(torch.cat([x, x]), t, text, return_dict=False)[0].chunk(2)
            return guided(uncond, cond, guidance)

        rng = torch.Generator().manual_seed(seed + start)
        x_T = model.noise((len(batch), model.channels, side, side), rng)
        pictures.append(model.decode(sample(eps, x_T, model.schedule, STEPS)))
    return torch.cat(pictures)


def _samples(
    model: StableDiffusion, judge: Judge, n: int, out: Path | None, progress: Progress
) -> Iterator[Row]:
    scenes = sample_scenes(n, seed=(SEED, 2), split="held-out")
    prompts = captions(scenes, (SEED, 3), complete=True)
    pictures = sampled(model, prompts, guidance=Framewise().guidance, seed=SEED, progress=progress)
    if out is not None:
        _save_sheet(pictures[:96], out / "samples.png", columns=12)
    named = judge.name(pictures)
    for name, bar in {"noun": 0.85, "colour": 0.95, "background": 0.95, "style": 0.85}.items():
        yield _share(f"samples, {name}", named[name] == getattr(scenes, name), bar)


@torch.no_grad()
def _inversion(model: StableDiffusion) -> Row:
    scenes = sample_scenes(64, seed=(SEED, 4), split="held-out")
    x_0 = model.encode(render(scenes, torch.zeros(64)).frames)
    text = torch.cat([model.conditioning([phrase(scenes.words(i))]).texts[:, 0] for i in range(64)])

    def eps(x: Tensor, t: float) -> Tensor:
        return model.unet(x, t, text, return_dict=False)[0]

    back = sample(eps, invert(eps, x_0, model.schedule, STEPS).noisiest, model.schedule, STEPS)
    error = ((model.decode(back) - model.decode(x_0)) ** 2).mean((1, 2, 3)).clamp(min=1e-9)
    decibels = -10 * torch.log10(error)
    half = 1.96 * float(decibels.std()) / 8
    return row("inversion and back against the VAE's picture, dB", float(decibels.mean()), half, 32)


def _edits(
    model: StableDiffusion, judge: Judge, n: int, out: Path | None, progress: Progress
) -> Iterator[Row]:
    """Framewise edits of held-out clips, one attribute each: was the target reached, frame by frame?"""
    scenes = sample_scenes(n, seed=(SEED, 5), split="held-out")
    reached: dict[str, list[float]] = {name: [] for name in ATTRIBUTES}
    kept: list[float] = []
    sheet: list[Tensor] = []
    for index in progress.track(range(n), "editing clips"):
        words = scenes.words(index)
        ((name, word),) = edits_in_turn(words, index).items()
        target = words | {name: word}
        source = Clip.of(render_clip(scenes[index], _EDIT_FRAMES).frames)
        result = edit_clip(
            Framewise(steps=STEPS),
            source,
            phrase(target),
            model,
            source_prompt=phrase(words),
            rng=torch.Generator().manual_seed(index),
        )
        named = judge.name(result.frames)
        hits = {key: named[key] == ATTRIBUTES[key].index(word) for key, word in target.items()}
        reached[name].append(float(hits[name].float().mean()))
        kept += [float(hits[key].float().mean()) for key in ATTRIBUTES if key != name]
        if len(sheet) < 16:
            sheet += [source.frames[0], result.frames[0], result.frames[-1]]
    if out is not None:
        _save_sheet(torch.stack(sheet), out / "edits.png", columns=9)
    every = [value for values in reached.values() for value in values]
    yield _mean("framewise edits, target reached", every, 0.75)
    for name, values in reached.items():
        yield _mean(f"framewise edits, {name} reached", values, 0.75)
    yield _mean("framewise edits, other attributes kept", kept, 0.75)


def _mean(measure: str, values: list[float], bar: float) -> Row:
    tensor = torch.tensor(values)
    half = 1.96 * float(tensor.std()) / len(values) ** 0.5
    return row(measure, float(tensor.mean()), half, bar)


def _control(
    model: StableDiffusion, estimator: DepthEstimator, n: int, out: Path | None, progress: Progress
) -> Row:
    """How well the object of a depth-guided picture lies on the object of the given depth.

    The generated object is found by the depth estimator, which is trained on the world alone.
    """
    scenes: Scenes = sample_scenes(n, seed=(SEED, 6), split="held-out")
    overlaps: list[float] = []
    sheet: list[Tensor] = []
    for index in progress.track(range(n), "sampling by depth"):
        truth = render(scenes[index], torch.zeros(1))
        depth = (truth.depth - truth.depth.amin()) / (truth.depth.amax() - truth.depth.amin())
        picture = edit_clip(
            Text2VideoZero(steps=STEPS),
            Clip.of(truth.frames),
            phrase(scenes.words(index)),
            model,
            depth=depth,
            rng=torch.Generator().manual_seed(index),
        ).frames
        found, there = estimator.estimate(picture) > 0.5, truth.mask > 0.5
        overlaps.append(float((found & there).sum() / (found | there).sum().clamp(min=1)))
        if len(sheet) < 24:
            sheet += [truth.frames[0], depth[0].expand(3, -1, -1), picture[0]]
    if out is not None:
        _save_sheet(torch.stack(sheet), out / "depth.png", columns=12)
    return _mean("depth ControlNet, object overlap (IoU)", overlaps, 0.6)


def _speed(model: StableDiffusion) -> Row:
    clip = Clip.of(render_clip(sample_scenes(1, seed=1), 16).frames)
    start = time.perf_counter()
    edit_clip(Framewise(steps=STEPS), clip, "a red duck in the snow", model, rng=torch.Generator())
    seconds = time.perf_counter() - start
    return row("framewise edit, 16 frames, 25 steps, seconds", seconds, 0, 15, lower_is_better=True)


def _save_sheet(pictures: Float[Tensor, "N 3 H W"], path: Path, *, columns: int) -> None:
    """Write pictures in [0, 1] row by row, at twice their size."""
    n, _, height, width = pictures.shape
    rows = -(-n // columns)
    empty = pictures.new_ones((rows * columns - n, 3, height, width))
    grid = torch.cat([pictures, empty]).unflatten(0, (rows, columns))
    sheet = grid.permute(2, 0, 3, 1, 4).reshape(3, rows * height, columns * width)
    save_picture(sheet, path, zoom=2)
