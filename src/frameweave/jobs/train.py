"""Train an adaptor: the whole job of each stage, from groups of frames to a saved adaptor."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from frameweave.clip.group import GroupSource
from frameweave.diffusion.schedule import Window
from frameweave.errors import InputError, RunError
from frameweave.jobs.previews import write_preview
from frameweave.miniature.groups import WorldGroups
from frameweave.model import depth as depth_model
from frameweave.model.adaptor import FILE, Adaptor, Card, architecture, load_adaptor
from frameweave.model.backbone import StableDiffusion
from frameweave.model.loading import load
from frameweave.model.lora import Lora, added_lora, pattern
from frameweave.model.tokens import PrefixTokens
from frameweave.progress import SILENT, Progress
from frameweave.run import RUN_FILE, Run, read_run
from frameweave.settings import to_table
from frameweave.training.batches import Batches
from frameweave.training.cached import CachedGroups
from frameweave.training.denoising import Denoiser
from frameweave.training.depth_control import DepthControl
from frameweave.training.fit import Plan, Step, TrainStage, fit, load_average, new_accelerator
from frameweave.training.folder import FolderGroups
from frameweave.training.low_rank import LowRank, check_frames, noise_levels
from frameweave.training.options import TrainOptions
from frameweave.training.shared_tokens import SharedTokens

STAGES = ("depth", "tokens", "lora")
ADAPTOR = "adaptor"
_HELD_OUT_SEED = 1_000_003
_MINE = ("threads", "tensorboard", "out", "watch_every", "preview_every", "save_minutes")
"""Settings that may change when a run goes on: they do not change its numbers."""


@dataclass(frozen=True)
class Trained:
    """What came of a training run."""

    folder: Path
    figures: dict[str, float]


def train(stages: tuple[str, ...], options: TrainOptions, *, progress: Progress = SILENT) -> Trained:
    """Run stages in order in the folder `options.out`, going on where an earlier call stopped.

    Raises `InputError` for an unknown stage or unusable settings, before anything heavy is loaded.
    """
    for stage in stages:
        if stage not in STAGES:
            raise InputError.unknown("stage", stage, list(STAGES))
    if "lora" in stages:
        check_frames(options)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    run = _run(stages, options)
    work = _Work(options, run, progress)
    figures: dict[str, float] = {}
    for stage in stages:
        progress.note(f"stage {stage}")
        figures |= {f"{stage}_{name}": value for name, value in work.stage(stage).items()}
    run.finish({"figures": figures})
    return Trained(options.out, figures)


def _run(stages: tuple[str, ...], options: TrainOptions) -> Run:
    if (options.out / RUN_FILE).is_file():
        tables = read_run(options.out)
        if tables.get("command") != "train":
            raise RunError(f"{options.out}: holds a run of another command", hint="give another --out")
        return Run(options.out, tables | {"settings": to_table(options), "input": {"stages": list(stages)}})
    run = Run.start(options.out, "train", options)
    run.tables["input"] = {"stages": list(stages)}
    return run


class _Work:
    """The model and the groups, shared by the stages of one call."""

    def __init__(self, options: TrainOptions, run: Run, progress: Progress) -> None:
        self.options, self.run, self.progress = options, run, progress
        self.model = load(
            options.model, device=options.device, control=options.control, vision=options.vision
        )
        estimator = depth_model.load(options.model, options.depth_model, device=options.device)
        pixels = options.size or self.model.native
        self.train_groups, self.held_out_groups = (
            CachedGroups(
                source, self.model, estimator, options.out / "cache", pixels, crop=options.resize == "crop"
            )
            for source in _sources(options)
        )

    def stage(self, name: str) -> dict[str, float]:
        """Train one stage to its end and write what it made."""
        with self._built(name) as (stage, lora, tokens):
            plan = plan_of(name, self.options, self.model)
            accelerator = new_accelerator()
            last: dict[str, float] = {}
            folder = self.options.out / name
            steps = fit(
                stage,
                plan,
                folder,
                accelerator=accelerator,
                settings=_fixed(self.options),
                note=self.progress.note,
            )
            with closing(steps), _Log(self.run, name, self.options, main=accelerator.is_main_process) as log:  # pyright: ignore
                for step in self.progress.track(steps, name, plan.steps):
                    log(step)
                    last = step.watched or last
                    if step.watched:
                        self.progress.measure(step=step.number, **step.terms, **step.watched)
                    every = self.options.preview_every
                    if lora is not None and every and step.number % every == 0:
                        window = Window(*self.options.t_range, self.model.schedule.T)
                        strip = folder / f"preview-{step.number:06d}.png"
                        write_preview(self.model, lora, self.held_out_groups[0], window, strip)
                        lora.switch(on=True, trainable=True)
            accelerator.wait_for_everyone()
            taken = load_average(stage.module, folder)
            if accelerator.is_main_process:
                self._written(name, lora, tokens, taken)
            return last

    @contextmanager
    def _built(self, name: str) -> Generator[tuple[TrainStage, Lora | None, PrefixTokens | None], None, None]:
        options = self.options
        accelerator_rank, processes = _place()
        t_range = (0.0, 1.0) if name == "depth" else options.t_range
        levels = noise_levels(options) if name == "lora" else 1
        batches, held_out = (
            Batches(groups, self.model, opts, t_range, levels, rank, count)
            for groups, opts, rank, count in (
                (self.train_groups, options, accelerator_rank, processes),
                (self.held_out_groups, replace(options, seed=options.seed + _HELD_OUT_SEED, batch=1), 0, 1),
            )
        )
        tokens = None if name == "depth" or options.n_shared == 0 else self._tokens()
        inner = replace(options, token_mode="always") if name == "tokens" else options
        denoiser = Denoiser(self.model, inner, tokens, train_control=name == "depth")
        if name == "depth":
            yield DepthControl(denoiser, batches, held_out), None, None
        elif name == "tokens":
            yield SharedTokens(denoiser, batches, held_out), None, tokens
        else:
            with added_lora(
                self.model.unet,
                rank=options.rank,
                alpha=options.alpha or options.rank,
                layers=pattern(options.lora_blocks, options.lora_targets),
                seed=options.seed,
            ) as lora:
                count = sum(weight.numel() for weight in lora.weights().values())
                self.progress.note(
                    f"LoRA on {len(lora.layers)} layers: {len(lora.weights())} tensors, {count:,} weights"
                )
                yield LowRank(denoiser, lora, batches, held_out), lora, tokens

    def _tokens(self) -> PrefixTokens:
        """Those of an earlier stage in this run, or fresh ones."""
        file = self.options.out / "tokens" / ADAPTOR / FILE
        if file.is_file():
            tokens = load_adaptor(str(file)).tokens
            assert tokens is not None
            return tokens.to(self.model.device)
        if self.model.vision_tower is None:
            raise InputError(
                "the model has no vision tower for unshared tokens",
                hint="name one with --vision, e.g. openai/clip-vit-base-patch32, or give --n-shared 0",
            )
        width = int(self.model.unet.config["cross_attention_dim"])
        rng = torch.Generator().manual_seed(self.options.seed)
        tokens = PrefixTokens(
            self.options.n_shared,
            width,
            self.model.vision_tower.width,
            stride=self.options.vision_stride,
            rng=rng,
        )
        return tokens.to(self.model.device)

    def _written(self, name: str, lora: Lora | None, tokens: PrefixTokens | None, steps: int) -> None:
        options = self.options
        if name == "depth":
            assert self.model.controlnet is not None
            self.model.controlnet.save_pretrained(options.out / "depth" / "controlnet")
            return
        low, high = options.t_range
        card = Card(
            base=options.model,
            architecture=architecture(self.model.unet),
            rank=options.rank,
            alpha=options.alpha or options.rank,
            layers=pattern(options.lora_blocks, options.lora_targets),
            low=low,
            high=high,
            tokens_low=low,
            stride=options.vision_stride,
            in_uncond=options.tokens_in_uncond,
            steps=steps,
        )
        weights = {} if lora is None else {key: weight.detach() for key, weight in lora.weights().items()}
        folder = options.out / (ADAPTOR if name == "lora" else f"{name}/{ADAPTOR}")
        Adaptor(weights, tokens, card).save(folder)


def plan_of(stage: str, options: TrainOptions, model: StableDiffusion) -> Plan:
    """How a stage is trained under these settings."""
    precision = options.precision
    if precision == "auto":
        native = model.device.type == "cpu" or torch.cuda.is_bf16_supported()
        precision = "bf16" if native else "fp16"
    return Plan(
        steps={"depth": options.depth_steps, "tokens": options.tokens_steps, "lora": options.steps}[stage],
        learning_rate={
            "depth": options.depth_learning_rate,
            "tokens": options.tokens_learning_rate,
            "lora": options.learning_rate,
        }[stage],
        warmup=options.warmup,
        schedule=options.schedule,
        weight_decay=options.weight_decay,
        betas=(0.9, 0.999),
        clip_norm=options.clip_norm,
        ema=options.ema,
        accumulate=options.accumulate,
        precision=precision,
        eight_bit=options.eight_bit,
        save_minutes=options.save_minutes,
        watch_every=options.watch_every,
    )


def _sources(options: TrainOptions) -> tuple[GroupSource, GroupSource]:
    """Groups to train on, and groups that are held out."""
    frames, stride, seed = options.frames, options.stride, options.seed
    if options.data == "world":
        return (
            WorldGroups(options.groups, frames, stride, seed),
            WorldGroups(options.held_out, frames, stride, seed, "held-out"),
        )
    every = FolderGroups(Path(options.data), frames, stride, seed)
    count = min(options.held_out, max(1, len(every) // 10))
    if len(every) < 2:
        raise InputError(
            f"{options.data}: {len(every)} video, expected at least 2", hint="one video is held out"
        )
    cut = len(every) - count
    return _Part(every, 0, cut), _Part(every, cut, len(every))


@dataclass(frozen=True)
class _Part:
    """Some consecutive groups of a source."""

    source: GroupSource
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def key(self, index: int) -> str:
        return self.source.key(self.start + index)

    def group(self, index: int) -> Any:
        return self.source.group(self.start + index)


class _Log:
    """log.jsonl of the run, and tensorboard's events when asked for."""

    def __init__(self, run: Run, stage: str, options: TrainOptions, *, main: bool) -> None:
        self.run, self.stage, self.main = run, stage, main
        self.board: Any = None
        if options.tensorboard and main:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - an extra

            self.board = SummaryWriter(str(options.out / "tensorboard" / stage))

    def __enter__(self) -> "_Log":
        return self

    def __exit__(self, *_: object) -> None:
        if self.board is not None:
            self.board.close()

    def __call__(self, step: Step) -> None:
        if not self.main:
            return
        values = {"gradient_norm": step.gradient_norm, "rate": step.rate} | step.terms | step.watched
        self.run.log(
            stage=self.stage,
            step=step.number,
            steps_per_second=round(step.steps_per_second, 3),
            **{key: float(f"{value:.6g}") for key, value in values.items()},
        )
        if self.board is not None:
            for key, value in values.items():
                self.board.add_scalar(key, value, step.number)


def _fixed(options: TrainOptions) -> dict[str, Any]:
    return {key: value for key, value in to_table(options).items() if key not in _MINE}


def _place() -> tuple[int, int]:
    from accelerate import PartialState  # noqa: PLC0415 - starts the process group

    state = PartialState(cpu=not torch.cuda.is_available())
    return state.process_index, state.num_processes
