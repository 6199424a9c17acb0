"""TokenFlow (Geyer et al., ICLR 2024, arXiv 2307.10373): key frames are edited together, the others follow.

At every timestep one frame in each run of frames is drawn as a key frame. The key frames attend
to one another. Every other frame takes the key frames' attention outputs, each token from where its
own features have their nearest neighbour in the source.
"""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Annotated, Literal

import torch
from torch import Tensor

from frameweave.diffusion.contexts import blended
from frameweave.diffusion.inversion import Trajectory
from frameweave.diffusion.sampling import Eps
from frameweave.diffusion.schedule import Schedule
from frameweave.editors._parts.injection import STREAMS, attention_layers, features_injected, first_steps
from frameweave.editors._parts.propagation import Propagation
from frameweave.editors._parts.steered import guides_of
from frameweave.editors._published.tokenflow import OURS, PUBLISHED, Rules
from frameweave.editors.base import Editor
from frameweave.editors.request import EditRequest, Timesteps
from frameweave.models.attention import overridden
from frameweave.models.memory import Chunks
from frameweave.models.seam import Latents
from frameweave.runs.settings import Count, NotNegative, Only, Share


class TokenFlow(Editor):
    """Plug-and-play or SDEdit with propagation of the key frames' features.

    Draws to replay: `key_frames` (steps x key frames), the key frames' numbers at each step. They
    are drawn once per step (and run of frames, in order): one integer in [0, keyframe_interval) for
    each key frame.
    """

    steps: Count = 25
    """Sampling steps."""
    guidance: float = 7.5
    """Classifier-free guidance scale (CFG)."""
    variant: Literal["pnp", "sdedit"] = "pnp"
    """How the source is kept: pnp injects its features (plug-and-play); sdedit starts the edit from less
    noise."""
    keyframe_interval: Count = 8
    """Frames for each key frame; only key frames are edited, the others follow them."""
    attention_share: Annotated[Share, Only("variant", "pnp")] = 0.5
    """Share of the steps in which self-attention takes queries and keys of the source. Variant pnp only."""
    feature_share: Annotated[Share, Only("variant", "pnp")] = 0.8
    """Share of the steps in which features of the source are injected. Variant pnp only."""
    start: Annotated[float, Only("variant", "sdedit")] = 0.9
    """Share of the steps that are taken: lower keeps more of the source. Variant sdedit only."""
    noise: Annotated[Literal["inverted", "random"], Only("variant", "sdedit")] = "inverted"
    """Noise that the source starts with: inverted, its DDIM inversion; random, one noise for all frames.
    Variant sdedit only."""
    blend: Literal["sigmoid", "linear"] = "sigmoid"
    """Weights of the two key frames beside a frame: sigmoid, as in the paper (0.5 to 0.73); linear, by
    distance (0 to 1)."""
    inversion_steps: NotNegative = 0
    """Steps of the inversion, which must pass all timesteps of the edit; 0 means as many as the edit has."""
    controlnet: bool = False
    """Whether the depth ControlNet steers too."""
    controlnet_scale: Annotated[float, Only("controlnet", True)] = 1.0
    """How strongly the depth ControlNet steers."""
    chunk_size: Count = 8
    """Frames in one call of the network, each three times; fewer need less memory and change nothing else."""
    context_length: Count = 64
    """Frames that are edited together; a longer clip is edited in overlapping parts of this length."""
    context_overlap: NotNegative = 8
    """Frames that neighbouring parts of a long clip share."""
    as_published: bool = False
    """Reproduce the published program: the number of frames is cut to a multiple of `keyframe_interval`; a
    frame blends with the previous key frame only, as if key frames lay in the middle; sdedit starts from
    single-step noise and takes one step less; a long clip is not edited in parts."""

    def model_post_init(self, context: object) -> None:
        self._rules.check_start(self.start)

    def edit(self, request: EditRequest) -> Latents:
        trajectory = self.inverted(request)
        x = self.started(request, trajectory)
        with self.denoiser(request, trajectory) as eps:
            frames = self._rules.edited(len(request), self.keyframe_interval)
            return request.sampled(x[:frames], eps, self.timesteps(request))

    def timesteps(self, request: EditRequest) -> Timesteps:
        """The timesteps of the edit, noisiest first."""
        every = request.timesteps(self.steps)
        return Timesteps(self.taken(request.schedule, every), self.steps)

    def taken(self, schedule: Schedule, visited: Sequence[float]) -> Sequence[float]:
        return (
            visited if self.variant == "pnp" else visited[self._rules.first_step(self.start, len(visited)) :]
        )

    def inverted(self, request: EditRequest) -> Trajectory:
        """The source stream: its latents at the edit's timesteps, and at the noisiest of the inversion."""
        return request.inverted(
            request.timesteps(self.inversion_steps or self.steps),
            keep=self.timesteps(request),
            guides=guides_of(self, request),
            chunk_size=STREAMS * self.chunk_size,
        )

    def started(self, request: EditRequest, trajectory: Trajectory) -> Latents:
        """The latents at the first timestep of the edit."""
        model, t = request.model, self.timesteps(request)[0]
        if self.variant == "pnp" and self._rules.on_trajectory:
            return trajectory.at(t)
        if self.variant == "sdedit" and self.noise == "random":
            noise = model.noise((1, *trajectory.x_0.shape[1:]), request.rng).to(trajectory.x_0)
        else:
            noise = trajectory.implied_noise(model.schedule)
        return model.schedule.add_noise(trajectory.x_0, noise, t)

    @contextmanager
    def denoiser(self, request: EditRequest, trajectory: Trajectory) -> Generator[Eps, None, None]:
        """The guided noise prediction of one edit, while the networks follow its rules."""
        model, timesteps = request.model, self.timesteps(request)
        shares = (self.attention_share, self.feature_share) if self.variant == "pnp" else (0.0, 0.0)
        attention, features = (first_steps(timesteps, share) for share in shares)
        conditioning = request.conditioning(
            [request.source_prompt, request.negative_prompt, request.prompt],
            guides_of(self, request),
            negative=(1,),
            source=(0,),
        )
        now = timesteps[0]
        flow = Propagation(attention_layers(model.unet), linear=self.blend == "linear")
        chunks = Chunks(self.chunk_size, request.progress)

        @torch.no_grad()
        def eps(part: slice, x: Tensor, t: float) -> Tensor:
            nonlocal now
            now, z = t, trajectory.at(t)[part].to(x)
            keys = self._keys(request, len(x), timesteps.index(t))

            def streams(frames: list[int]) -> Tensor:
                own = conditioning.of([part.start + frame for frame in frames])
                return model.predict(torch.stack([z[frames], x[frames], x[frames]]), t, own)

            flow.remember(injected=t in attention)
            streams(keys)
            flow.neighbours = self._rules.neighbours(len(x), keys, self.keyframe_interval)

            def guided_part(chunk: slice) -> Tensor:
                flow.follow(chunk)
                branches = streams(list(range(chunk.start, chunk.stop)))[1:]
                return request.guided(branches, self.guidance, x[chunk], t)

            return chunks.over(len(x), guided_part)

        with ExitStack() as stack:
            stack.enter_context(features_injected(model.unet, lambda: now in features))
            stack.enter_context(overridden(model.unet, flow.rule))
            frames = self._rules.edited(len(request), self.keyframe_interval)
            length = self._rules.context_length(frames, self.context_length)
            yield blended(eps, frames, length, min(self.context_overlap, length - 1))

    def _keys(self, request: EditRequest, frames: int, step: int) -> list[int]:
        """One frame of each run of `keyframe_interval`."""
        if "key_frames" in request.draws:
            return request.draws["key_frames"][step].tolist()
        interval = self.keyframe_interval
        starts = range(0, frames, interval)
        drawn = torch.randint(interval, (len(starts),), generator=request.rng).tolist()
        return [
            start + draw % min(interval, frames - start) for start, draw in zip(starts, drawn, strict=True)
        ]

    @property
    def _rules(self) -> Rules:
        return PUBLISHED if self.as_published else OURS
