"""The stages of an adaptor put together: model, groups of frames, what is trained, what is written."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from accelerate import PartialState
from diffusers import ControlNetModel

from frameweave.adaptor.adaptor import FILE, Adaptor, architecture, load_adaptor
from frameweave.adaptor.card import Card, other_tower
from frameweave.adaptor.lora import Lora, added_lora, linear_layers, pattern
from frameweave.adaptor.tokens import PrefixTokens
from frameweave.data.encoded import CachedGroups
from frameweave.diffusion.schedule import Schedule
from frameweave.errors import InputError, RunError
from frameweave.models import depth as depth_model
from frameweave.models.control.controlnet import new_controlnet
from frameweave.models.control.controls import Control
from frameweave.models.identity import fingerprint
from frameweave.models.loading.choice import MINIATURE
from frameweave.models.loading.device import torch_device
from frameweave.models.loading.load import load_chosen
from frameweave.models.loading.places import VISION
from frameweave.models.loading.weights import network
from frameweave.models.vision import NAME_A_TOWER
from frameweave.progress import Progress
from frameweave.training.batches import Batches
from frameweave.training.denoising import Denoiser
from frameweave.training.depth_control import DepthControl
from frameweave.training.fit import TrainStage
from frameweave.training.low_rank import LowRank, timesteps_drawn
from frameweave.training.options import TrainOptions
from frameweave.training.shared_tokens import SharedTokens, begin_with_words
from frameweave.training.sources.groups import left_out, prepared_size, prior_source, sources
from frameweave.training.sources.inputs import Captioned, inputs_of
from frameweave.video.group import GroupSource
from frameweave.world.grammar import unknown_words

STAGES = ("depth", "tokens", "lora")
ADAPTOR = "adaptor"
_HELD_OUT_SEED = 1_000_003


@dataclass(frozen=True, eq=False)
class Built:
    """A stage, and what of it is not the loop's business."""

    stage: TrainStage
    lora: Lora | None = None
    tokens: PrefixTokens | None = None


class Workshop:
    """The model and the groups of one run; builds its stages and writes what they made."""

    def __init__(self, options: TrainOptions, progress: Progress, stages: Sequence[str] = STAGES) -> None:
        self.options, self.progress = options, progress
        place = training_device(options.device)
        self.model = load_chosen(replace(options.choice, device=place))
        if "lora" in stages:
            linear_layers(self.model.unet, pattern(options.lora_blocks, options.lora_targets))
        self._take_control(wanted="depth" in stages)
        with_tokens = options.n_shared > 0 and tuple(stages) != ("depth",)
        earlier, tower = self._earlier_tokens() if with_tokens else None, self.model.vision_tower
        if earlier is not None and tower is not None and (told := other_tower(earlier.card, tower)):
            progress.note(told)
        estimator = depth_model.load(options.model, options.depth_model, device=place)
        pixels = options.size or self.model.native
        if (size := prepared_size(options)) is not None and size < pixels:
            progress.note(
                f"{options.data}: pictures of {size} pixels are enlarged to {pixels}: prepare them with "
                f"--size {pixels}"
            )
        self.options = at_equal_noise(options, self.model.schedule, pixels / self.model.vae_factor)
        along = "lora" in stages and options.temporal_match == "flow" and options.temporal_mode != "none"

        def cached(source: GroupSource) -> CachedGroups:
            return CachedGroups(
                source,
                self.model,
                estimator,
                options.out / "cache",
                pixels,
                crop=options.resize == "crop",
                depth=options.depth_control or "depth" in stages,
                vision=with_tokens,
                motion=along,
            )

        trained_on, held_out = sources(options)
        self.train_groups, self.held_out_groups = cached(trained_on), cached(held_out)
        for told in left_out(options, trained_on, held_out):
            progress.note(told)
        self.prior_groups = None if options.prior is None else cached(prior_source(options))

    def inputs(self, stage: str) -> dict[str, str]:
        """What a stage trains on and holds out, and what it takes of earlier ones, by content."""
        found = dict[str, str]()
        if stage != "depth" and self.options.depth_control and self._control_is_trained:
            found["depth/controlnet"] = fingerprint(self.model.controls[0].network)
        if stage == "lora" and not self.options.train_tokens and (earlier := self._earlier_tokens()):
            assert earlier.tokens is not None
            found["tokens/adaptor"] = fingerprint(earlier.tokens)
        return found | self._data

    @cached_property
    def _data(self) -> dict[str, str]:
        """What all stages train on and hold out: looked at once."""
        found = dict[str, str]()
        for groups in (self.train_groups, self.held_out_groups):
            found |= inputs_of(self.options, groups.source, self.options.data)
        if self.prior_groups is not None:
            found |= inputs_of(self.options, self.prior_groups.source, f"{self.options.prior}")
        return found

    @contextmanager
    def built(self, name: str) -> Generator[Built, None, None]:
        """The stage of that name, ready for the loop; the UNet is restored on leaving."""
        options = self.options
        state = PartialState()
        t_range = (0.0, 1.0) if name == "depth" else options.t_range
        times = timesteps_drawn(options) if name == "lora" else 1
        batches = Batches(
            self.train_groups,
            self.model,
            options,
            t_range,
            times,
            state.process_index,
            state.num_processes,
            self.prior_groups,
        )
        apart = options.replaced(seed=options.seed + _HELD_OUT_SEED, batch=1)
        held_out = Batches(self.held_out_groups, self.model, apart, t_range, times)
        tokens = None if name == "depth" or options.n_shared == 0 else self._tokens()
        inner = options.replaced(token_mode="always") if name == "tokens" else options
        denoiser = Denoiser(self.model, inner, tokens, train_control=name == "depth")
        if name == "depth":
            yield Built(DepthControl(denoiser, batches, held_out))
        elif name == "tokens":
            yield Built(SharedTokens(denoiser, batches, held_out), tokens=tokens)
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
                yield Built(LowRank(denoiser, lora, batches, held_out), lora, tokens)

    def write(self, name: str, built: Built, steps: int) -> None:
        """Write what `steps` optimiser steps of a stage made into the run folder."""
        options = self.options
        if name == "depth":
            self.model.controls[0].network.save_pretrained(self._control_folder)
            return
        low, high = options.t_range
        card = Card(
            base=options.model,
            architecture=architecture(self.model.unet),
            rank=options.rank,
            alpha=options.alpha or options.rank,
            layers=pattern(options.lora_blocks, options.lora_targets),
            strength=options.strength,
            low=low,
            high=high,
            tokens_low=low,
            stride=options.vision_stride,
            in_uncond=options.tokens_in_uncond,
            form=options.tokens_form,
            controlnet_text=options.controlnet_text,
            steps=steps,
            prediction=self.model.prediction,
            words=self._new_words(),
        )
        if built.tokens is not None and self.model.vision_tower is not None:
            named = options.vision or f"{options.model}/{VISION}"
            card = replace(card, vision=named, vision_digest=self.model.vision_tower.digest)
        lora = built.lora
        weights = {} if lora is None else {key: weight.detach() for key, weight in lora.weights().items()}
        folder = options.out / (ADAPTOR if name == "lora" else f"{name}/{ADAPTOR}")
        Adaptor(weights, built.tokens, card).save(folder)

    def _new_words(self) -> list[str]:
        """Words of the captions that the model had never read, where that is known: of the Miniature."""
        source = self.train_groups.source
        if self.options.model != MINIATURE or not isinstance(source, Captioned):
            return []
        return unknown_words(" ".join(source.captions()))

    @property
    def _control_folder(self) -> Path:
        return self.options.out / "depth" / "controlnet"

    @property
    def _control_is_trained(self) -> bool:
        """By this run's stage depth."""
        return (self._control_folder / "config.json").is_file()

    def _take_control(self, *, wanted: bool) -> None:
        """The ControlNet of this run's depth stage, when an earlier call has finished it; else the model's.

        Where the model has none and one is `wanted`, a new one begins as a copy of the UNet's encoder.
        """
        done = self._control_is_trained
        if self.model.controlnet is None and (done or wanted):
            fresh = new_controlnet(self.model.unet, self.model.vae_factor, self.options.seed)
            self.model = replace(self.model, controls=(Control(network=fresh),))
        if done and self.model.controls:
            trained = network(ControlNetModel.from_pretrained, str(self._control_folder))
            self.model.controls[0].network.load_state_dict(trained.state_dict())

    def _earlier_tokens(self) -> Adaptor | None:
        """What the stage tokens of this run made, if it was trained already.

        Raises `RunError` for other settings, `AdaptorMismatch` for a vision tower of another width.
        """
        options = self.options
        file = options.out / "tokens" / ADAPTOR / FILE
        if not file.is_file():
            return None
        earlier = load_adaptor(str(file))
        tokens = earlier.tokens
        assert tokens is not None
        n_shared, stride = len(tokens.T_share), tokens.stride
        if (options.n_shared, options.vision_stride) != (n_shared, stride):
            raise RunError(
                f"{file}: trained with n_shared {n_shared} and vision_stride {stride}, now they are "
                f"{options.n_shared} and {options.vision_stride}",
                hint="give the settings of the token stage, or another --out",
            )
        if self.model.vision_tower is not None:
            earlier.check_vision(self.model.vision_tower.width)
        return earlier

    def _tokens(self) -> PrefixTokens:
        """Those of an earlier stage in this run, or fresh ones."""
        options, earlier = self.options, self._earlier_tokens()
        if earlier is not None and earlier.tokens is not None:
            return earlier.tokens.to(self.model.device)
        if self.model.vision_tower is None:
            raise InputError(
                "the model has no vision tower for unshared tokens",
                hint=f"{NAME_A_TOWER}, or give --n-shared 0",
            )
        tokens = PrefixTokens(
            options.n_shared,
            int(self.model.unet.config["cross_attention_dim"]),
            self.model.vision_tower.width,
            stride=options.vision_stride,
            std=options.tokens_std,
            rng=torch.Generator().manual_seed(options.seed),
        )
        if options.tokens_from:
            begin_with_words(tokens, self.model, options.tokens_from)
        return tokens.to(self.model.device)


def at_equal_noise(options: TrainOptions, schedule: Schedule, side: float) -> TrainOptions:
    """The options with windows in timesteps of their own for latents of that side, see `--window`.

    Raises `InputError` where no timestep is as noisy.
    """
    if options.window == "own":
        return options
    (t_low, t_high), (low, high) = (
        [schedule.equal_noise(share, side) for share in window]
        for window in (options.t_range, options.temporal_range)
    )
    return options.replaced(window="own", t_range=(t_low, t_high), temporal_range=(low, high))


def training_device(asked: str) -> str:
    """Where this process trains: its GPU, or the CPU. Raises `InputError` when another one is asked for."""
    here = PartialState(cpu=asked == "cpu" or not torch.cuda.is_available()).device
    assert here is not None
    wanted = here if asked == "auto" else torch_device(asked)
    if wanted.type != here.type or wanted.index not in (None, here.index or 0):
        raise InputError(
            f"device {asked!r} is asked for, and training runs on {here}",
            hint="leave --device out; CUDA_VISIBLE_DEVICES chooses among GPUs",
        )
    return str(here)
