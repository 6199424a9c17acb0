"""Text2Video-Zero (Khachatryan et al., ICCV 2023, arXiv 2303.13439): all frames look at the first.

Every self-attention takes keys and values from frame 0. From text alone, motion comes from the
first frame's latent shifted between two noise levels; for a source clip, from its depth, with one
starting noise for all frames, or, when the model edits by instruction, from its pictures.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from types import MappingProxyType
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from frameweave.diffusion.sampling import Eps, sample
from frameweave.editors._instruct import check_model, frame_noises, instructed, replayed
from frameweave.editors._noise import needed_depth, prompt_eps, sampled
from frameweave.editors.base import Source, check, check_settings, latent_shape
from frameweave.errors import InputError
from frameweave.models.attention import Attend, AttentionRule, Site, Tokens, overridden
from frameweave.models.control import scaled
from frameweave.models.seam import Latents, Model, VisionStates
from frameweave.progress import SILENT, Progress
from frameweave.runs.ranges import ANY, SHARE

_CANVAS = 512  # the motion is counted in pixels of this square, whatever the size of the frames


@dataclass(frozen=True, kw_only=True)
class Text2VideoZero:
    """Cross-frame attention to frame 0, computed once per noise level for clips of any length."""

    steps: int = 25
    """Noise levels."""
    guidance: float = 7.5
    """Classifier-free guidance."""
    variant: Literal["depth", "instruct"] = "depth"
    """What a source clip gives: its depth, or its pictures to a model that edits by instruction."""
    control_scale: float = 1.0
    """How strongly the depth ControlNet steers (depth)."""
    picture_guidance: float = 1.0
    """How closely frames keep to the source's pictures. Instruct only."""
    motion: tuple[float, float] = (12.0, 12.0)
    """Shift per frame (x, y) in 1/512 of the frame's side; positive moves the picture up and left.
    Text only."""
    t0: float = 0.88
    """Noise level, as a share of T, at which the first frame's latent is shifted. Text only."""
    t1: float = 0.94
    """Noise level, as a share of T, to which the shifted copies are noised again. Text only."""
    frames_at_once: int = 16
    """Frames in one UNet batch; lower needs less memory and changes nothing else."""
    chunk: int = 8
    """Frames in a chunk of the published program, counting the first frame that it repeats."""
    as_published: bool = False
    """Do as the published program: frame 0 is a noised copy of itself, and every chunk of frames draws
    the same noise. Text and instruct."""

    def __post_init__(self) -> None:
        check_settings(self, picture_guidance=ANY, motion=ANY, t0=SHARE, t1=SHARE)
        if self.as_published and self.chunk < 2:
            raise InputError(
                f"chunk is {self.chunk}, expected at least 2: the first frame and another",
                hint="leave it out for the default",
            )

    @property
    def uses_source(self) -> bool:
        return self.variant == "instruct"

    @property
    def needs_depth(self) -> bool:
        return self.variant == "depth"

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
        """By depth: the clip gives depth and times, the prompt gives everything else.

        By instruction ("make it snow"): the clip gives its pictures. Draws: one integer for each
        frame, see `frame_noises`. To replay: `initial_noise` (F C h w) and `step_noise` (steps F C h w);
        as published those of each chunk, under `chunk0.` and so on.
        """
        check(source, prompt)
        if self.variant == "instruct":
            check_model(model)
            return self._by_instruction(source, prompt, negative, model, rng, progress)
        depth = needed_depth(source, model, "text2video_zero")
        noise = model.noise((1, *source.x_0.shape[1:]), rng).expand(len(source), -1, -1, -1)
        with self.denoiser(prompt, negative, model, depth=depth, seen=source.seen, progress=progress) as eps:
            return sampled(source, eps, noise, model.schedule, self.steps, rng=rng, progress=progress)

    def _by_instruction(  # noqa: PLR0917 - handed through from edit
        self,
        source: Source,
        prompt: str,
        negative: str,
        model: Model,
        rng: torch.Generator,
        progress: Progress,
    ) -> Latents:
        def one_run(source: Source, noises: Iterator[Latents]) -> Latents:
            look_back = _FirstFrame()
            with overridden(model.unet, look_back.rule(model.unet)):
                return instructed(
                    source,
                    prompt,
                    negative,
                    model,
                    steps=self.steps,
                    guidance=self.guidance,
                    picture_guidance=self.picture_guidance,
                    frames_at_once=self.frames_at_once,
                    on_chunk=look_back.next_chunk,
                    noises=noises,
                    rng=rng,
                    progress=progress,
                )

        if not self.as_published:
            return one_run(source, replayed(source) or frame_noises(model, source.x_0, rng))
        state = rng.get_state()
        parts: list[Latents] = []
        for number, frames in enumerate(torch.arange(len(source)).split(self.chunk - 1)):
            rng.set_state(state)
            chosen = torch.cat([torch.zeros(1, dtype=torch.long), frames])
            x_0, seen = source.x_0[chosen], None if source.seen is None else source.seen[chosen]
            drawn = (model.noise(tuple(x_0.shape), rng) for _ in count())
            noises = replayed(source, f"chunk{number}.") or drawn
            parts.append(one_run(replace(source, x_0=x_0, seen=seen, keeper=None), noises)[1:])
        return torch.cat(parts)

    def generate(
        self,
        prompt: str,
        model: Model,
        *,
        frames: int,
        size: tuple[int, int],
        negative: str = "",
        rng: torch.Generator,
        draws: Mapping[str, Tensor] = MappingProxyType({}),
        progress: Progress = SILENT,
    ) -> Latents:
        """Text only: the latents of `frames` pictures of `size` (width, height).

        Draws, in this order: `initial_noise` (1 C h w) of the first frame, then `renoise_eps`
        (copies C h w), of all frames but the first, or as published of all.
        """
        if frames < 1:
            raise InputError(f"{frames} frames, expected at least 1", hint="8 is usual")
        schedule = model.schedule
        levels = schedule.timesteps(self.steps)
        index_1, index_0 = (_nearest(levels, share * schedule.T) for share in (self.t1, self.t0))
        if not 0 <= index_1 < index_0:
            raise InputError(
                f"t1 = {self.t1} is no noisier than t0 = {self.t0} on {self.steps} noise levels",
                hint="take more steps, or move them apart",
            )
        shape = latent_shape(model, 1, size)
        x = model.noise(shape, rng) if "initial_noise" not in draws else draws["initial_noise"]

        def alone(start: Tensor, part: list[int]) -> Tensor:
            return self._sampled(start, prompt, negative, model, timesteps=part, progress=progress)

        at_1 = alone(x, levels[:index_1])
        at_0 = alone(at_1, levels[index_1:index_0])
        moved = range(0 if self.as_published else 1, frames)
        copies = torch.cat([at_0[:0], *(shifted(at_0, self.motion, frame) for frame in moved)])
        eps = draws["renoise_eps"] if "renoise_eps" in draws else self._noise(model, copies, rng)
        # The product of the published program ends one timestep early on both sides.
        copies = schedule.renoise(copies, eps, levels[index_0] - 1, levels[index_1] - 1)
        x = self._sampled(
            torch.cat([at_1, copies]),
            prompt,
            negative,
            model,
            timesteps=levels[index_1:],
            progress=progress,
        )
        return x[1:] if self.as_published else x

    def _noise(self, model: Model, copies: Tensor, rng: torch.Generator) -> Tensor:
        """The noise of the copies; as published the generator starts anew for every chunk of them."""
        if not self.as_published:
            return model.noise(tuple(copies.shape), rng)
        state = rng.get_state()
        parts: list[Tensor] = []
        for part in copies.split(self.chunk - 1):
            rng.set_state(state)
            drawn = model.noise((part.shape[1], len(part), *part.shape[2:]), rng)
            parts.append(drawn.transpose(0, 1))
        return torch.cat(parts)

    def _sampled(
        self,
        x: Tensor,
        prompt: str,
        negative: str,
        model: Model,
        *,
        timesteps: list[int],
        progress: Progress,
    ) -> Tensor:
        with self.denoiser(prompt, negative, model, progress=progress) as eps:
            return sample(eps, x, model.schedule, self.steps, timesteps=timesteps, progress=progress)

    @contextmanager
    def denoiser(
        self,
        prompt: str,
        negative: str,
        model: Model,
        *,
        depth: Float[Tensor, "F 1 H W"] | None = None,
        seen: VisionStates | None = None,
        progress: Progress = SILENT,
    ) -> Generator[Eps, None, None]:
        """The guided noise prediction, while all frames look at the first."""
        look_back = _FirstFrame()
        networks = [model.unet]
        if depth is not None and model.controlnet is not None:
            networks.append(model.controlnet)
        eps = prompt_eps(
            model,
            prompt,
            negative,
            self.guidance,
            frames_at_once=self.frames_at_once,
            progress=progress,
            depth=depth,
            seen=seen,
            on_chunk=look_back.next_chunk,
        )
        with ExitStack() as stack:
            stack.enter_context(scaled(model.controlnet, self.control_scale))
            for network in networks:
                stack.enter_context(overridden(network, look_back.rule(network)))
            yield eps


class _FirstFrame:
    """Keys and values from frame 0, kept from the first chunk of frames for the later ones."""

    def __init__(self) -> None:
        self._start = self._count = 0
        self._kept: dict[tuple[int, str], Tokens] = {}

    def next_chunk(self, start: int, count: int) -> None:
        self._start, self._count = start, count

    def rule(self, network: nn.Module) -> AttentionRule:
        """The attention rule for one network (the UNet or the ControlNet)."""

        def look_at_first(x: Tokens, attend: Attend, site: Site) -> Tokens:
            key = (id(network), site.name)
            if self._start == 0:  # branch-major batch: frame 0 of every branch
                self._kept[key] = x[:: self._count].clone()  # a view would keep all frames in memory
            return attend(x, self._kept[key], self._kept[key])

        return look_at_first


def _nearest(levels: list[int], t: float) -> int:
    return min(range(len(levels)), key=lambda index: abs(levels[index] - t))


def shifted(x: Float[Tensor, "1 C h w"], motion: tuple[float, float], frame: int) -> Float[Tensor, "1 C h w"]:
    """The latent of frame 0 moved to where `frame` has it: whole cells, mirrored at the borders."""
    rows = source_cells(x.shape[2], motion[1] * frame).to(x.device)
    columns = source_cells(x.shape[3], motion[0] * frame).to(x.device)
    return x[:, :, rows][:, :, :, columns]


def source_cells(n: int, shift: float) -> Int[Tensor, " n"]:
    """Which of n cells each cell takes its value from, for a shift in pixels of the 512-pixel canvas.

    The closed form of a 512 x 512 sampling grid scaled down to n cells, nearest cell, reflected
    about the outer borders.

    >>> source_cells(8, 64.0).tolist()
    [1, 2, 3, 4, 5, 6, 7, 7]
    """
    scale = _CANVAS / n
    at = torch.arange(n, dtype=torch.float64) + (shift + (scale - 1) / 2) / scale - 0.5
    folded = (at + 0.5) % (2 * n)
    reflected = torch.where(folded < n, folded, 2 * n - folded) - 0.5
    return torch.round(reflected).long().clamp(0, n - 1)
