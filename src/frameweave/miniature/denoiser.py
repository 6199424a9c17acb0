"""The Miniature's UNet: a three-level UNet2DConditionModel that predicts the noise (epsilon).

Trained on latents of the world's frames with min-SNR weights, stratified timesteps and caption
dropout for guidance. The cost of swapping the noun in the caption, watched on held-out scenes,
tells early whether objects are being learned; the loss alone does not.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from frameweave.diffusion.losses import min_snr_weight
from frameweave.miniature.towers import WIDTH, one_attribute_changed, tokenised
from frameweave.models.stock import channels_last, posterior
from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import staged
from frameweave.training.plan import autocast
from frameweave.world.grammar import captions
from frameweave.world.render import render
from frameweave.world.scene import Scenes, Split, sample_scenes

BATCH = 32
SEED = 0
_DROPPED = 0.1


def new_unet() -> UNet2DConditionModel:
    """Random weights: 16, 8 and 4 pixels wide levels, each with self- and cross-attention."""
    config: dict[str, Any] = dict(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("CrossAttnDownBlock2D",) * 3,
        up_block_types=("CrossAttnUpBlock2D",) * 3,
        block_out_channels=(64, 128, 192),
        attention_head_dim=(2, 4, 6),  # the number of heads: diffusers' old name
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=WIDTH,
    )
    return UNet2DConditionModel(**config)


def new_scheduler() -> DDIMScheduler:
    """Stable Diffusion's own noise schedule."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


@dataclass(frozen=True)
class Latents:
    """Latents of frames, the scenes they show and the times at which they show them."""

    x_0: Float[Tensor, "N 4 h w"]
    scenes: Scenes
    times: Float[Tensor, " N"]


def _drawn(n: int, seed: tuple[int, ...], split: Split) -> tuple[Scenes, Tensor]:
    scenes = sample_scenes(n, seed=seed, split=split)
    t = np.random.default_rng((*seed, 1)).uniform(0, 16, n).astype("float32")
    return scenes, torch.from_numpy(t)


def _cat(parts: list[Scenes]) -> Scenes:
    names = [field.name for field in dataclasses.fields(Scenes)]
    return Scenes(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


@torch.no_grad()
def encoded(
    vae: AutoencoderKL,
    shards: int,
    file: Path,
    *,
    size: int,
    seed: int,
    split: Split = "train",
    progress: Progress = SILENT,
) -> Latents:
    """Latents of `shards` x `size` frames: read from `file`, or encoded and written there."""
    drawn = [_drawn(size, (seed, shard), split) for shard in range(shards)]
    if not file.is_file():
        parts: list[Tensor] = []
        for scenes, t in progress.track(drawn, f"encoding {split} frames"):
            frames = (render(scenes, t).frames * 2 - 1).contiguous(memory_format=torch.channels_last)
            with autocast("auto", torch.device("cpu")):
                parts += [posterior(vae, batch).mean.half() for batch in frames.split(64)]
        with staged(file) as stage:
            save_file({"x_0": torch.cat(parts).contiguous()}, stage)
    scenes = _cat([scenes for scenes, _ in drawn])
    return Latents(load_file(file)["x_0"], scenes, torch.cat([t for _, t in drawn]))


class TextStates:
    """Captions to the text tower's last hidden states, without gradient."""

    def __init__(self, tokenizer: CLIPTokenizer, tower: CLIPTextModel) -> None:
        self.tokenizer = tokenizer
        self.tower = tower.eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, texts: list[str]) -> Float[Tensor, "N L D"]:
        return self.tower(tokenised(self.tokenizer, texts)).last_hidden_state


def stratified(n: int, steps: int, generator: torch.Generator) -> Int[Tensor, " N"]:
    """One timestep from each of n equal parts of [0, steps), in random order."""
    jitter = torch.rand(n, generator=generator)
    return ((torch.randperm(n, generator=generator) + jitter) / n * steps).long()


@dataclass(frozen=True)
class Noised:
    """One training batch."""

    x_t: Tensor
    t: Tensor
    noise: Tensor
    states: Tensor
    weight: Tensor
    index: Tensor


class DenoisingBatches:
    """Batches as a pure function of the step, shared by the UNet's and the ControlNet's training."""

    def __init__(self, latents: Latents, text: TextStates) -> None:
        self.latents, self.text = latents, text
        self.alpha_bar = new_scheduler().alphas_cumprod

    def __call__(self, step: int, dropped: float = _DROPPED) -> Noised:
        rng = np.random.default_rng((SEED, step))
        index = torch.from_numpy(rng.integers(len(self.latents.x_0), size=BATCH))
        texts = captions(self.latents.scenes[index], (SEED, step, 2))
        texts = ["" if drop else text for text, drop in zip(texts, rng.random(BATCH) < dropped, strict=True)]
        generator = torch.Generator().manual_seed(step)
        t = stratified(BATCH, len(self.alpha_bar), generator)
        noise = torch.randn(BATCH, *self.latents.x_0.shape[1:], generator=generator)
        alpha_bar = self.alpha_bar[t]
        x_t = mixed(self.latents.x_0[index].float(), noise, alpha_bar)
        return Noised(x_t, t, noise, self.text(texts), min_snr_weight(alpha_bar), index)


def mixed(x_0: Tensor, noise: Tensor, alpha_bar: Float[Tensor, " N"]) -> Tensor:
    """x_t of each sample at its own timestep."""
    a = alpha_bar[:, None, None, None]
    mixed = a.sqrt() * x_0 + (1 - a).sqrt() * noise
    return mixed.contiguous(memory_format=torch.channels_last)


class DenoiserPart:
    """Weighted noise prediction; watches the held-out loss and the cost of wrong attributes."""

    def __init__(self, train: Latents, held_out: Latents, text: TextStates) -> None:
        torch.manual_seed(SEED)
        self.module = channels_last(new_unet())
        self.module.set_attn_processor(AttnProcessor())  # SDPA's backward is slow for short sequences
        self.batches = DenoisingBatches(train, text)
        self.held_out, self.text = held_out, text

    def loss(self, step: int) -> dict[str, Tensor]:
        batch = self.batches(step)
        error = self.module(batch.x_t, batch.t, batch.states).sample.float() - batch.noise
        return {"noise": (batch.weight * (error**2).mean((1, 2, 3))).mean()}

    def watch(self) -> dict[str, float]:
        scenes = self.held_out.scenes
        n = len(scenes)
        generator = torch.Generator().manual_seed(11)
        t = torch.linspace(300, 900, n).long()
        noise = torch.randn(self.held_out.x_0.shape, generator=generator)
        x_t = mixed(self.held_out.x_0.float(), noise, self.batches.alpha_bar[t])

        def loss_with(shown: Scenes) -> float:
            states = self.text(captions(shown, (12,), complete=True))
            return float(((self.module(x_t, t, states).sample.float() - noise) ** 2).mean())

        right = loss_with(scenes)
        figures = {"held_out": right}
        for name in ("noun", "colour", "background", "style"):
            wrong = one_attribute_changed(scenes, name, np.random.default_rng(13))
            figures[f"{name}_swap"] = loss_with(wrong) / right - 1
        return figures
