"""TokenFlow (Geyer et al., ICLR 2024, arXiv 2307.10373): key frames are edited together, the others follow.

At every noise level one frame in each run of frames is drawn as a key frame. The key frames attend
to one another. Every other frame takes the key frames' attention outputs, each token from where its
own features have their nearest neighbour in the source.
"""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from frameweave.diffusion.inversion import Trajectory
from frameweave.diffusion.sampling import Eps, guided
from frameweave.diffusion.schedule import Schedule
from frameweave.diffusion.windows import blended
from frameweave.editors._injection import STREAMS, attention_layers, features_injected, first_steps
from frameweave.editors._noise import conditioned, inverted, needed_depth, sampled
from frameweave.editors._propagation import Propagation, both_neighbours, published_neighbours
from frameweave.editors.base import Source, check, check_settings
from frameweave.errors import InputError
from frameweave.models.attention import overridden
from frameweave.models.control import scaled
from frameweave.models.memory import Chunks
from frameweave.models.seam import Latents, Model
from frameweave.progress import SILENT, Progress
from frameweave.runs.ranges import ANY, COUNT, Range


@dataclass(frozen=True, kw_only=True)
class TokenFlow:
    """Plug-and-play or SDEdit with propagation of the key frames' features.

    Draws to replay: `key_frames` (steps x key frames), the key frames' numbers at each step. They
    are drawn once per step (and window, in order): one integer in [0, every) for each run.
    """

    steps: int = 25
    """Noise levels."""
    guidance: float = 7.5
    """Classifier-free guidance."""
    variant: Literal["pnp", "sdedit"] = "pnp"
    """Whether the source's features are injected, or the edit starts from less noise."""
    every: int = 8
    """Frames to a key frame."""
    attention_share: float = 0.5
    """Share of the steps in which queries and keys are the source's (pnp)."""
    feature_share: float = 0.8
    """Share of the steps in which the source's features are injected (pnp)."""
    start: float = 0.9
    """Share of the steps that are taken (sdedit)."""
    noise: Literal["inverted", "random"] = "inverted"
    """What the source is noised with at the start (sdedit); random noise is the same for all frames."""
    blend: Literal["sigmoid", "linear"] = "sigmoid"
    """How much of each neighbouring key frame: the paper's weights (0.5 to 0.73), or by distance (0 to 1)."""
    inversion_steps: int = 0
    """Noise levels of the inversion, which must pass those of the edit; 0 means as many."""
    control: bool = False
    """Whether the depth ControlNet steers too."""
    control_scale: float = 1.0
    """How strongly the depth ControlNet steers."""
    frames_at_once: int = 8
    """Frames in one UNet batch (of three streams); lower needs less memory and changes nothing else."""
    window: int = 64
    """Longer clips are edited in windows of so many frames."""
    overlap: int = 8
    """Frames that neighbouring windows share."""
    as_published: bool = False
    """Do as the published program: frames cut to a multiple of `every`, blending with the previous
    key frame only and as if key frames lay in the middle, a start from single-step noise, sdedit
    one step short, no windows."""

    def __post_init__(self) -> None:
        check_settings(self, every=COUNT, start=ANY if self.as_published else Range(0, 1, above=True))

    @property
    def uses_source(self) -> bool:
        return True

    @property
    def needs_depth(self) -> bool:
        return self.control

    def edit(
        self,
        source: Source,
        prompt: str,
        model: Model,
        *,
        negative: str = "",
        rng: torch.Generator,
        progress: Progress = SILENT,
    ) -> Latents:
        check(source, prompt)
        trajectory = self.inverted(source, model, progress=progress)
        x = self.started(trajectory, model, rng)
        with self.denoiser(
            source, trajectory, prompt, model, negative=negative, rng=rng, progress=progress
        ) as eps:
            levels = self.levels(model.schedule)
            x = x[: self._edited(len(source))].to(source.x_0)
            return sampled(
                source,
                eps,
                x,
                model.schedule,
                self.steps,
                timesteps=levels,
                rng=rng,
                progress=progress,
            )

    def levels(self, schedule: Schedule) -> list[int]:
        """The timesteps of the edit, noisiest first."""
        every = schedule.timesteps(self.steps)
        if self.variant == "pnp":
            return every
        if self.as_published:  # a slip of precedence: one step short, except that hardly any means all
            return every[int(1 - self.start * self.steps) :]
        return every[self.steps - max(1, round(self.start * self.steps)) :]

    def inverted(self, source: Source, model: Model, *, progress: Progress = SILENT) -> Trajectory:
        """The source stream: its latents at the edit's timesteps, and at the noisiest of the inversion."""
        steps = self.inversion_steps or self.steps
        schedule = model.schedule
        wanted = self.levels(schedule)
        with scaled(model.controlnet, self.control_scale):
            return inverted(
                source,
                model,
                steps,
                keep=wanted,
                depth=self._depth(source, model),
                variant=f"control {self.control_scale:g}" if self.control else "",
                frames_at_once=STREAMS * self.frames_at_once,
                progress=progress,
            )

    def started(self, trajectory: Trajectory, model: Model, rng: torch.Generator) -> Latents:
        """The latents at the first timestep of the edit."""
        schedule = model.schedule
        t = self.levels(schedule)[0]
        if self.variant == "pnp" and not self.as_published:
            return trajectory.at(t)
        if self.variant == "sdedit" and self.noise == "random":
            noise = model.noise((1, *trajectory.x_0.shape[1:]), rng).to(trajectory.x_0)
        else:
            noise = trajectory.implied_noise(schedule)
        return schedule.add_noise(trajectory.x_0, noise, t)

    @contextmanager
    def denoiser(
        self,
        source: Source,
        trajectory: Trajectory,
        prompt: str,
        model: Model,
        *,
        negative: str = "",
        rng: torch.Generator,
        progress: Progress = SILENT,
    ) -> Generator[Eps, None, None]:
        """The guided noise prediction of one edit, while the networks follow its rules."""
        levels = self.levels(model.schedule)
        shares = (self.attention_share, self.feature_share) if self.variant == "pnp" else (0.0, 0.0)
        attention, features = (first_steps(levels, share) for share in shares)
        condition = conditioned(
            model, [source.prompt, negative, prompt], source.seen, progress, negative=(1,)
        )
        now, near = levels[0], self._depth(source, model)
        flow = Propagation(attention_layers(model.unet), linear=self.blend == "linear")
        chunks = Chunks(self.frames_at_once, progress)

        @torch.no_grad()
        def eps(part: slice, x: Tensor, t: int) -> Tensor:
            nonlocal now
            now, z = t, trajectory.at(t)[part].to(x)
            keys = self._keys(source, len(x), levels.index(t), rng)

            def streams(frames: list[int]) -> Tensor:
                own = [part.start + frame for frame in frames]
                return model.eps(
                    torch.stack([z[frames], x[frames], x[frames]]),
                    t,
                    condition.of(own),
                    None if near is None else near[own],
                )

            flow.remember(injected=t in attention)
            streams(keys)
            flow.neighbours = (
                published_neighbours(len(x), self.every)
                if self.as_published
                else both_neighbours(len(x), keys)
            )

            def guided_part(chunk: slice) -> Tensor:
                flow.follow(chunk)
                _source, uncond, cond = streams(list(range(chunk.start, chunk.stop)))
                return guided(uncond, cond, self.guidance)

            return chunks.over(len(x), guided_part)

        with ExitStack() as stack:
            stack.enter_context(features_injected(model.unet, lambda: now in features))
            stack.enter_context(scaled(model.controlnet, self.control_scale))
            stack.enter_context(overridden(model.unet, flow.rule))
            frames = self._edited(len(source))
            length = frames if self.as_published else self.window
            yield blended(eps, frames, length, min(self.overlap, length - 1))

    def _keys(self, source: Source, frames: int, step: int, rng: torch.Generator) -> list[int]:
        """One frame of each run of `every`."""
        starts = range(0, frames, self.every)
        if "key_frames" in source.draws:
            return source.draws["key_frames"][step].tolist()
        drawn = torch.randint(self.every, (len(starts),), generator=rng).tolist()
        return [
            start + draw % min(self.every, frames - start) for start, draw in zip(starts, drawn, strict=True)
        ]

    def _edited(self, frames: int) -> int:
        whole = frames - frames % self.every if self.as_published else frames
        if whole == 0:
            raise InputError(
                f"{frames} frames, as published at least {self.every} are needed",
                hint=f"give every={frames} or fewer, or leave as_published out",
            )
        return whole

    def _depth(self, source: Source, model: Model) -> Tensor | None:
        return needed_depth(source, model, "control") if self.control else None
