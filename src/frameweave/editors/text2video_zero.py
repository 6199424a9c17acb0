"""Text2Video-Zero (Khachatryan et al., ICCV 2023, arXiv 2303.13439): all frames look at the first.

Every self-attention takes keys and values from frame 0. From text alone, motion comes from the
first frame's latent shifted between two timesteps; for a source clip, from its depth, with one
starting noise for all frames, or, when the model edits by instruction, from its pictures.
"""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from frameweave.diffusion.samplers.names import SamplerName
from frameweave.diffusion.sampling import Eps
from frameweave.diffusion.schedule import Schedule
from frameweave.editors._parts.instruct import check_model, instructed, instructed_schedule
from frameweave.editors._published.text2video_zero import OURS, PUBLISHED, Rules
from frameweave.editors.base import Editor, OnlyFromSource, OnlyFromText
from frameweave.editors.request import EditRequest, Timesteps
from frameweave.errors import InputError
from frameweave.models.attention import Attend, AttentionRule, Site, Tokens, overridden
from frameweave.models.seam import Guides, Latents
from frameweave.runs.settings import Count, Only, Share, Split

_CANVAS = 512  # the motion is counted in pixels of this square, whatever the size of the frames
_FEWEST = 4  # steps of models of few steps in which frames can still come to differ


class Text2VideoZero(Editor):
    """Cross-frame attention to frame 0, computed once per timestep for clips of any length."""

    spaced_as_published = True
    steps: Count = 25
    """Sampling steps."""
    guidance: float = 7.5
    """Classifier-free guidance scale (CFG)."""
    variant: Annotated[Literal["depth", "instruct"], OnlyFromSource("instruct")] = "depth"
    """What the edit takes from the source: depth, its depth maps; instruct, its pictures, for a model that
    edits by instruction."""
    controlnet_scale: Annotated[float, Only("variant", "depth")] = 1.0
    """How strongly the depth ControlNet steers. Variant depth only."""
    picture_guidance: Annotated[float, Only("variant", "instruct")] = 1.0
    """Guidance scale of the source's pictures: higher keeps more of them. Variant instruct only."""
    motion: Annotated[tuple[float, float], Split, OnlyFromText()] = (12.0, 12.0)
    """Shift of the picture from frame to frame (x, y), in 1/512 of its side; positive moves it left and up.
    Clips from text only."""
    t0: Annotated[Share, OnlyFromText()] = 0.88
    """Timestep, as a share of T, at which the latent of the first frame is copied and shifted. Clips from
    text only."""
    t1: Annotated[Share, OnlyFromText()] = 0.94
    """Timestep, as a share of T, to which the shifted copies are noised again. Clips from text only."""
    chunk_size: Count = 16
    """Frames in one call of the network; fewer need less memory and change nothing else."""
    chunk: Annotated[Count, Only("as_published", True)] = 8
    """Frames in a chunk of the published program, with the first frame, which every chunk repeats."""
    as_published: bool = False
    """Reproduce the published program: frame 0 is a noised copy of itself, and every chunk of frames draws
    the same noise. Clips from text, and variant instruct."""

    def model_post_init(self, context: object) -> None:
        if self.as_published and self.chunk < 2:
            raise InputError(
                f"chunk is {self.chunk}, expected at least 2: the first frame and another",
                hint="leave it out for the default",
            )

    @property
    def uses_source(self) -> bool:
        return self.variant == "instruct"

    @property
    def inverts(self) -> bool:
        return False

    @property
    def samplers(self) -> tuple[SamplerName, ...]:
        return ("euler_a",) if self.variant == "instruct" else super().samplers

    @property
    def takes_spacing(self) -> bool:
        return self.variant == "depth" and super().takes_spacing

    @property
    def needs_depth(self) -> bool:
        return self.variant == "depth"

    def spaced(self, schedule: Schedule) -> Schedule:
        return instructed_schedule(schedule) if self.variant == "instruct" else super().spaced(schedule)

    def edit(self, request: EditRequest) -> Latents:
        """By depth: the clip gives depth and times, the prompt gives everything else.

        By instruction ("make it snow"): the clip gives its pictures. Draws: one integer for each
        frame, see `frame_noises`. To replay: `initial_noise` (F C h w) and `step_noise` (steps F C h w);
        as published those of each chunk, under `chunk0.` and so on.
        """
        request = self._rules.asked(request)
        if self.variant == "instruct":
            check_model(request.model)
            runs = self._rules.instructed_runs(request, self.chunk)
            return torch.cat([self._instructed(run, noises)[drop:] for run, noises, drop in runs])
        guides = request.depth_guides("text2video_zero", self.controlnet_scale)
        first = request.model.noise((1, *request.x_0.shape[1:]), request.rng)
        with self.denoiser(request, guides) as eps:
            noise, timesteps = first.expand(len(request), -1, -1, -1), request.timesteps(self.steps)
            return request.sampled(request.begun(noise, timesteps[0]), eps, timesteps)

    def _instructed(self, request: EditRequest, noises: Iterator[Latents]) -> Latents:
        look_back = _FirstFrame()
        with overridden(request.model.unet, look_back.rule(request.model.unet)):
            return instructed(
                request,
                noises,
                steps=self.steps,
                guidance=(self.guidance, self.picture_guidance),
                chunk_size=self.chunk_size,
                on_chunk=look_back.next_chunk,
            )

    def generate(self, request: EditRequest) -> Latents:
        """Text only: the latents of as many pictures as the request has frames.

        Draws, in this order: `initial_noise` (1 C h w) of the first frame, then `renoise_eps`
        (copies C h w), of all frames but the first, or as published of all. A sampler that draws noise does
        so in each of the three parts of the way: up to t1, from there to t0, and again from t1 for all. One
        that remembers earlier steps begins anew in each.
        """
        rules = self._rules
        request = rules.asked(request)
        model, draws = request.model, request.draws
        timesteps = request.timesteps(self.steps)
        index_1, index_0 = (_nearest(timesteps, share * request.schedule.T) for share in (self.t1, self.t0))
        moved = range(rules.first_copy, len(request))
        if moved and not self.t0 < self.t1:
            raise InputError(f"t0 is {self.t0} and t1 {self.t1}, expected t0 below t1", hint="exchange them")
        if self.steps >= _FEWEST:  # of few, both may be nearest to the same one
            index_0 = max(index_0, index_1 + 1)
        if moved and not index_1 < index_0 < self.steps:
            raise InputError(
                f"steps is {self.steps}: no step lies between t1 = {self.t1} and t0 = {self.t0}, "
                "where frames come to differ",
                hint=f"take at least {_FEWEST} steps, or move t1 and t0 apart",
            )
        shape = (1, *request.x_0.shape[1:])
        x = model.noise(shape, request.rng) if "initial_noise" not in draws else draws["initial_noise"]
        x = request.begun(x, timesteps[0])
        if not moved:
            return self._sampled(request, x, timesteps)
        at_1 = self._sampled(request, x, timesteps[:index_1])
        at_0 = self._sampled(request, at_1, timesteps[index_1:index_0])
        copies = torch.cat([shifted(at_0, self.motion, frame) for frame in moved])
        eps = draws["renoise_eps"] if "renoise_eps" in draws else rules.noise(request, copies, self.chunk)
        # The product of the published program ends one timestep early on both sides.
        copies = request.schedule.renoise(copies, eps, timesteps[index_0] - 1, timesteps[index_1] - 1)
        x = self._sampled(request, torch.cat([at_1, copies]), timesteps[index_1:])
        return x[1 - rules.first_copy :]

    def _sampled(self, request: EditRequest, x: Latents, part: list[float]) -> Latents:
        with self.denoiser(request, request.guides) as eps:
            return request.sampled(x, eps, Timesteps(part, self.steps))

    @contextmanager
    def denoiser(self, request: EditRequest, guides: Guides) -> Generator[Eps, None, None]:
        """The guided noise prediction, while all frames look at the first."""
        look_back, model = _FirstFrame(), request.model
        eps = request.eps(
            self.guidance, chunk_size=self.chunk_size, guides=guides, on_chunk=look_back.next_chunk
        )
        networks = [model.unet] if model.controlnet is None else [model.unet, model.controlnet]
        with ExitStack() as stack:
            for network in networks:
                stack.enter_context(overridden(network, look_back.rule(network)))
            yield eps

    @property
    def _rules(self) -> Rules:
        return PUBLISHED if self.as_published else OURS


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


def _nearest(timesteps: list[float], t: float) -> int:
    return min(range(len(timesteps)), key=lambda index: abs(timesteps[index] - t))


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
