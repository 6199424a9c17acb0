"""The Miniature's recipe: its parts in order, each resumable, and the finished model folder.

Parts: vae, decoder (sharpens the VAE), towers (text and vision), vision (the vision tower goes on
alone), judge, stranger_judge (knows strangers too), unet, estimator, controlnet. A part needs those before
it that it is built from.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from diffusers import AutoencoderKL, ControlNetModel, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPModel, CLIPTokenizer

from frameweave.errors import InputError, RunError
from frameweave.miniature.denoiser import DenoiserPart, Latents, TextStates, encoded, new_scheduler, new_unet
from frameweave.miniature.depth import ControlPart, EstimatorPart, new_estimator
from frameweave.miniature.judge import Judge, JudgePart, JudgePartName, judge_folder, new_judge
from frameweave.miniature.towers import TowersPart, VisionPart, new_clip
from frameweave.miniature.vae import DecoderPart, VaePart, decoder_of, new_vae, standardised
from frameweave.models.stock import channels_last
from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import staged
from frameweave.training import checkpoint
from frameweave.training.fit import TrainStage, fit, load_average
from frameweave.training.plan import Plan
from frameweave.world.grammar import train_tokenizer

PLANS: dict[str, Plan] = {
    "vae": Plan(steps=5_500, learning_rate=6e-4, flat=0.55),
    "decoder": Plan(steps=3_000, learning_rate=6e-4, flat=0.3),
    "towers": Plan(steps=1_600),
    "vision": Plan(steps=3_600, learning_rate=6e-4, flat=0.3),
    "judge": Plan(steps=800),
    "stranger_judge": Plan(steps=1_000),
    "unet": Plan(steps=3_600, flat=0.55),
    "estimator": Plan(steps=1_200),
    "controlnet": Plan(steps=1_000, learning_rate=5e-4),
}
M = TypeVar("M", bound=nn.Module)

_SHARDS, _SHARD = 96, 512  # frames in each


class Recipe:
    """Builds each part from the earlier ones' checkpoints in one training folder."""

    def __init__(
        self, folder: Path, *, shards: int = _SHARDS, shard: int = _SHARD, progress: Progress = SILENT
    ) -> None:
        """`shards` times `shard` frames are encoded to train the UNet; one shard more is held out."""
        self.folder, self.shards, self.shard, self.progress = folder, shards, shard, progress
        self._parts: dict[str, Callable[[], TrainStage]] = {
            "vae": VaePart,
            "decoder": lambda: DecoderPart(self.vae(sharpened=False)),
            "towers": lambda: TowersPart(self.tokenizer()),
            "vision": lambda: VisionPart(self.clip("towers"), self.tokenizer()),
            "judge": JudgePart,
            "stranger_judge": lambda: JudgePart("stranger_judge"),
            "unet": lambda: DenoiserPart(*self.latents(), self.text()),
            "estimator": EstimatorPart,
            "controlnet": lambda: ControlPart(self.unet(), *self.latents(), self.text()),
        }

    def train(self, name: str, plan: Plan | None = None) -> None:
        """Train one part to the end of its plan, going on from its checkpoint.

        Raises `InputError` for an unknown part, `RunError` when an earlier part is missing.
        """
        if name not in self._parts:
            raise InputError.unknown("part", name, list(self._parts))
        plan = plan or PLANS[name]
        folder = self.folder / name
        smooth: dict[str, float] = {}
        steps = fit(self._parts[name](), plan, folder, note=self.progress.note)
        for step in self.progress.track(steps, name, plan.steps):
            for term, now in step.terms.items():
                smooth[term] = 0.98 * smooth.get(term, now) + 0.02 * now
            self.progress.measure(**smooth)
            if step.watched:
                figures = {**smooth, **step.watched}
                told = "  ".join(f"{key} {value:.4g}" for key, value in figures.items())
                self.progress.note(f"{name} step {step.number}: {told}")

    def tokenizer(self) -> CLIPTokenizer:
        folder = self.folder / "tokenizer"
        return CLIPTokenizer.from_pretrained(folder) if folder.is_dir() else train_tokenizer(folder)

    def vae(self, *, sharpened: bool = True) -> AutoencoderKL:
        """Standardised; with the sharpened decoder once there is one."""
        file = self.folder / "vae" / "standardised.safetensors"
        vae = new_vae()
        if not file.is_file():
            self._load(nn.ModuleDict({"vae": vae}), "vae")
            weights = standardised(vae, 4 * self.shard).state_dict()
            with staged(file) as stage:
                save_file({name: weight.contiguous() for name, weight in weights.items()}, stage)
        vae.load_state_dict(load_file(file))
        if sharpened and self._trained("decoder"):
            self._load(decoder_of(vae), "decoder")
        return vae.eval()

    def clip(self, part: str = "vision") -> CLIPModel:
        clip = new_clip(self.tokenizer())
        self._load(nn.ModuleDict({"clip": clip}), "towers")
        if part == "vision" and self._trained("vision"):
            vision = nn.ModuleDict({"vision": clip.vision_model, "projection": clip.visual_projection})
            self._load(vision, "vision")
        return clip.eval()

    def judge(self, part: JudgePartName = "judge") -> Judge:
        return self._load(new_judge(part), part).eval()

    def unet(self) -> UNet2DConditionModel:
        return self._load(new_unet(), "unet").eval()

    def text(self) -> TextStates:
        return TextStates(self.tokenizer(), self.clip("towers").text_model)

    def latents(self) -> tuple[Latents, Latents]:
        """Training and held-out latents, encoded on the first call."""
        vae = channels_last(self.vae(sharpened=False))
        part, folder = partial(encoded, vae, size=self.shard), self.folder / "latents"
        train = part(self.shards, folder / "train.safetensors", seed=100, progress=self.progress)
        return train, part(1, folder / "held_out.safetensors", seed=101, split="held-out")

    def assemble(self, target: Path) -> None:
        """Write the finished model as an ordinary diffusers folder in fp16, with its extra parts.

        The judge of strangers is no part of it and gets a folder beside it: the model is known by its files,
        and edits that were made before it was there are still found.
        """
        clip = self.clip()
        pipeline = StableDiffusionPipeline(
            vae=self.vae(),
            text_encoder=clip.text_model,
            tokenizer=self.tokenizer(),
            unet=self.unet(),
            scheduler=new_scheduler(),  # pyright: ignore[reportArgumentType]
            safety_checker=None,  # pyright: ignore[reportArgumentType]
            feature_extractor=None,  # pyright: ignore[reportArgumentType]
            requires_safety_checker=False,
        )
        extra: dict[str, nn.Module] = {"clip": clip, "judge": self.judge()}
        if self._trained("controlnet"):
            control = ControlNetModel.from_unet(self.unet(), conditioning_embedding_out_channels=(16, 32, 64))
            extra["controlnet"] = self._load(control, "controlnet")
        if self._trained("estimator"):
            extra["depth_estimator"] = self._load(new_estimator(), "estimator")
        with staged(target) as stage:
            pipeline.to(torch.float16).save_pretrained(stage, safe_serialization=True)
            for name in ("vocab.json", "merges.txt"):  # for readers older than tokenizer.json
                (stage / "tokenizer" / name).write_bytes((self.folder / "tokenizer" / name).read_bytes())
            for name, network in extra.items():
                _save(network.half(), stage / name)
            for config in stage.rglob("config.json"):  # small files, but float32 wherever they are loaded
                config.write_text(config.read_text().replace('"dtype": "float16"', '"dtype": "float32"'))
        if self._trained("stranger_judge"):
            with staged(judge_folder("stranger_judge", target)) as stage:
                stage.mkdir()
                _save(self.judge("stranger_judge").half(), stage)

    def _trained(self, part: str) -> bool:
        return checkpoint.latest(self.folder / part) is not None

    def _load(self, module: M, part: str) -> M:
        if not self._trained(part):
            raise RunError(
                f"{self.folder}: {part} is not trained yet", hint=f"frameweave miniature train {part}"
            )
        load_average(module, self.folder / part)
        return module


def _save(network: nn.Module, folder: Path) -> None:
    if hasattr(network, "save_pretrained"):
        network.save_pretrained(folder)  # pyright: ignore
    else:
        folder.mkdir(exist_ok=True)
        save_file(network.state_dict(), folder / "model.safetensors")
