"""FLATTEN (Cong et al., ICLR 2024, arXiv 2310.05922): attention along the source's optical flow.

Self-attention sees all frames of the clip. Where it has most tokens, a second attention follows in which
a token sees those that show the same content in the other frames. The structure of the source is kept by
features that are injected from its inversion.
"""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from frameweave.diffusion.contexts import blended, contexts
from frameweave.diffusion.inversion import Trajectory, digest
from frameweave.diffusion.sampling import Eps
from frameweave.editors._parts.injection import SourceFeatures
from frameweave.editors._parts.steered import guides_of
from frameweave.editors._parts.trajectories import Links
from frameweave.editors._published.flatten import OURS, PUBLISHED, Rules
from frameweave.editors.base import Editor
from frameweave.editors.request import EditRequest, Timesteps
from frameweave.errors import InputError
from frameweave.models.attention import Attend, Heads, Site, Then, Tokens, overridden, self_attentions
from frameweave.models.features import outermost_layers
from frameweave.models.norms import over_frames
from frameweave.models.seam import Conditioning, Latents, Model
from frameweave.runs.settings import Count, NotNegative, Only, Share


class Flatten(Editor):
    """Attention over all frames and along trajectories, with features of the inversion injected.

    All frames of a run go through the network at once. Draws to replay: `flow` (frames - 1, 2, H, W),
    the optical flow from each frame to the next in pixels of its own size, x to the right and y down;
    as published also `conflicts` (frames - 1, cells of a frame): where several cells of a frame lead to
    one of the next, the number of that which is followed, row by row, at the place of the cell that they
    lead to.
    """

    spaced_as_published = True
    steps: Count = 25
    """Sampling steps."""
    inversion_steps: NotNegative = 0
    """Steps of the inversion, which must pass all timesteps of the edit; 0 means as many as the edit has, as
    published 100."""
    guidance: float = 5.0
    """Classifier-free guidance scale (CFG); the original takes 10 to 25."""
    attention_share: Share = 0.8
    """Share of the steps in which self-attention takes queries and keys of the source; as published it is
    a share of 50 steps."""
    feature_share: Share = 0.8
    """Share of the steps in which features of the source are injected; as published it is a share of 50
    steps."""
    dense: Literal["all", "inner", "none"] = "all"
    """Where self-attention sees all frames: all, in all layers; inner, in those with fewer than the most
    tokens, which is much quicker; none, in no layer."""
    trajectories: bool = True
    """Whether tokens attend to those that show the same content in other frames, in layers with the most
    tokens."""
    match: Annotated[Literal["outputs", "queries"], Only("trajectories", True)] = "outputs"
    """By what tokens of a trajectory are compared: outputs, the results of the attention before; queries,
    its queries and keys. The original takes queries for edits of style and material."""
    visibility: Annotated[Share, Only("trajectories", True)] = 0.5
    """How surely content must be seen in the next frame for a trajectory to go on; it ends at cuts anyway."""
    joint_norms: bool = True
    """Group norms take their statistics over all frames, as in the original. Off, over each frame."""
    controlnet: bool = False
    """Whether the depth ControlNet steers too."""
    controlnet_scale: Annotated[float, Only("controlnet", True)] = 1.0
    """How strongly the depth ControlNet steers."""
    context_length: Count = 16
    """Frames that attend to one another; a longer clip is edited in overlapping parts of this length."""
    context_overlap: NotNegative = 4
    """Frames that neighbouring parts of a long clip share."""
    save_memory: bool = False
    """Compute the branches of guidance one after the other: slower, with the same result."""
    as_published: bool = False
    """Reproduce the published program, at 512 x 512 pixels only: an inversion under the empty prompt that is
    one step off; features in 40 steps, however many there are; flow that is rounded anew at every frame,
    followed through cuts and behind things; neighbours in short trajectories; a long clip is not edited in
    parts."""

    def model_post_init(self, context: object) -> None:
        share = max(self.attention_share, self.feature_share)
        self._rules.check(self.steps, self.inversion_steps, self.guidance, share)

    @property
    def motion_radius(self) -> int:
        return int(self.trajectories)

    def edit(self, request: EditRequest) -> Latents:
        request = self._rules.asked(request)
        trajectory = self.inverted(request)
        with self.denoiser(request, trajectory) as eps:
            return request.sampled(trajectory.noisiest, eps, self.timesteps(request))

    def timesteps(self, request: EditRequest) -> Timesteps:
        """The timesteps of the edit, noisiest first."""
        return request.timesteps(self.steps)

    def inverted(self, request: EditRequest) -> Trajectory:
        """The source's latents wherever features are taken, by the attention and norms of the edit."""
        rules, schedule = self._rules, request.schedule
        passed = rules.passed(request, self.steps, self.inversion_steps)
        wanted = rules.sources(self.timesteps(request), self.inversion_steps)
        length, overlap = self._context(len(request))
        model, source = self._source(request)
        with self._following(request) as following:

            @torch.no_grad()
            def eps(part: slice, x: Tensor, t: float) -> Tensor:
                following.start = part.start
                told = rules.told(schedule, t, passed.steps)
                return model.predict(x, told, source.of(part))[0]

            return request.inverted(
                passed,
                keep=rules.kept(wanted),
                guides=guides_of(self, request),
                context=(length, overlap),
                run_eps=eps,
                variant=f"flatten {self.dense} {self.joint_norms}{following.about}",
            )

    @contextmanager
    def denoiser(self, request: EditRequest, trajectory: Trajectory) -> Generator[Eps, None, None]:
        """The guided noise prediction of one edit, while the UNet follows its rules."""
        model, rules, timesteps = request.model, self._rules, self.timesteps(request)
        taken = rules.sources(timesteps, self.inversion_steps)
        attention, features = (
            rules.injected(timesteps, share) for share in (self.attention_share, self.feature_share)
        )
        (inverse, source), guided = self._source(request), self.guidance != 1.0
        prompts = [request.negative_prompt, request.prompt] if guided else [request.prompt]
        conditioning = request.conditioning(
            prompts, guides_of(self, request), negative=(0,) if guided else ()
        )
        each = [(k,) for k in range(len(prompts))] if self.save_memory else [tuple(range(len(prompts)))]

        @torch.no_grad()
        def eps(part: slice, x: Tensor, t: float) -> Tensor:
            following.start = part.start
            with following.features.recorded(tokens=t in attention, added=t in features):
                if t in attention or t in features:
                    at = taken[timesteps.index(t)]
                    inverse.predict(rules.at(trajectory, at)[part].to(x), at, source.of(part))
            own = conditioning.of(part)
            branches = torch.cat([model.predict(x, t, own.branches(*some)) for some in each])
            return request.guided(branches, self.guidance, x, t) if guided else branches[0]

        with self._following(request) as following:
            yield blended(eps, len(request), *self._context(len(request)))

    @contextmanager
    def _following(self, request: EditRequest) -> Generator["_Following", None, None]:
        """While the block runs, the UNet attends as the settings say, in runs of frames."""
        unet, frames = request.model.unet, len(request)
        outermost, halvings = outermost_layers(unet)
        inner = frozenset(self_attentions(unet)) - outermost
        length, overlap = self._context(frames)
        following = _Following(
            length,
            dense={"all": inner | outermost, "inner": inner, "none": frozenset[str]()}[self.dense],
            outermost=outermost,
            queries=self.match == "queries",
            features=SourceFeatures(self._rules.layers(unet), self._rules.blocks(unet)),
        )
        if self.trajectories:
            size = _halved(request.x_0.shape[2:], halvings)
            links = self._links(request, size)
            for part in contexts(frames, length, overlap):
                numbers = links.of(slice(part.start, part.stop - 1)).trajectories()
                following.about += f" {self.match} {digest(numbers)}"
                following.along[part.start] = self._rules.along(numbers, size, request.model.device)
        with ExitStack() as stack:
            if self.joint_norms:
                stack.enter_context(over_frames(unet, length))
            stack.enter_context(following.features.on(unet))
            stack.enter_context(overridden(unet, following.rule))
            yield following

    def _links(self, request: EditRequest, size: tuple[int, int]) -> Links:
        """Where the content of each cell goes in the next frame.

        Raises `InputError` when nothing tells how the source moves, or of another number of frames.
        """
        draws, motion, steps = request.draws, request.motion, len(request) - 1
        if "flow" in draws:
            flow = draws["flow"].double()  # of other programs it may be of half precision or whole numbers
            sure = torch.ones(len(flow), 1, *size)
        elif motion is not None:
            ahead = motion.offsets.index(1)
            flow, sure = motion.flow[ahead, :-1], motion.weight[ahead, :-1]
        else:
            raise InputError(
                "flatten follows the source's motion, and the request has none",
                hint="make it by request_of, or give flow among the draws",
            )
        if flow.dim() != 4 or flow.shape[:2] != (steps, 2):
            raise InputError(
                f"flow of shape {list(flow.shape)}, expected {[steps, 2]} and a height and a width",
                hint="give the flow from each frame to the next, x to the right and y down",
            )
        sure = F.adaptive_avg_pool2d(sure, size)[:, 0]
        return self._rules.links(self._rules.sized(flow, size), sure, self.visibility, draws)

    def _source(self, request: EditRequest) -> tuple[Model, Conditioning]:
        """What the source is inverted with, and its features are made with."""
        model = request.model.inverse
        return model, model.conditioning([request.source_prompt], guides_of(self, request))

    def _context(self, frames: int) -> tuple[int, int]:
        """How many frames see one another, and how many neighbouring runs of them share."""
        length = self._rules.context_length(frames, self.context_length)
        return length, min(self.context_overlap, length - 1)

    @property
    def _rules(self) -> Rules:
        return PUBLISHED if self.as_published else OURS


@dataclass(eq=False)
class _Following:
    """The rule of all self-attentions, in calls of one run of frames and any number of branches."""

    frames: int
    dense: frozenset[str]
    """Layers in which a token sees all frames."""
    outermost: frozenset[str]
    """Layers in which it sees its trajectory too."""
    queries: bool
    """Whether it is compared there by queries and keys."""
    features: SourceFeatures
    along: dict[int, Then] = field(default_factory=dict[int, Then])
    """Attention along trajectories, by the first frame of the run."""
    about: str = ""
    """Tells these trajectories from others."""
    start: int = 0
    """The first frame of the present call."""

    def rule(self, x: Tokens, attend: Attend, site: Site) -> Tokens:
        asks, values = self.features.asking(site.name, x), x
        if site.name in self.dense:
            asks, values = (tokens.unflatten(0, (-1, self.frames)).flatten(1, 2) for tokens in (asks, x))
        follows = site.name in self.outermost and self.start in self.along
        branches = len(x) // self.frames
        return attend(asks, asks, values, self._then(branches) if follows else None).reshape(x.shape)

    def _then(self, branches: int) -> Then:
        """The attention along trajectories, whether the one before saw a frame at a time or all."""

        def points(heads: Heads) -> Heads:
            return heads.unflatten(0, (branches, -1)).transpose(1, 2).flatten(2, 3)

        def then(q: Heads, k: Heads, y: Heads) -> Heads:
            v = points(y)
            asks, keys = (points(q), points(k)) if self.queries else (v, v)
            found = self.along[self.start](asks, keys, v)
            return found.unflatten(2, (len(y) // branches, -1)).transpose(1, 2).flatten(0, 1)

        return then


def _halved(size: Sequence[int], times: int) -> tuple[int, int]:
    """The height and width of latents that the UNet has halved so often."""
    height, width = size
    for _ in range(times):
        height, width = -(-height // 2), -(-width // 2)
    return height, width
