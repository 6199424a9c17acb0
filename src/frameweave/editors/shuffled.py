"""Shuffled groups, after RAVE (Kara et al., CVPR 2024, arXiv 2312.04524): chance ties all frames together.

At every timestep the frames are put into groups by chance, and the frames of a group attend to one another.
From step to step the groups change, so that in the end every frame has seen all others, while no more than a
group is in memory. RAVE tiles a group as one large picture; here its frames stay pictures of their own.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from frameweave.diffusion.inversion import Trajectory
from frameweave.diffusion.sampling import Eps
from frameweave.diffusion.schedule import Schedule
from frameweave.editors._parts.groups import Grouping, Shuffle
from frameweave.editors._parts.steered import guides_of
from frameweave.editors._published.shuffled import OURS, PUBLISHED, Rules
from frameweave.editors.base import Editor
from frameweave.editors.request import EditRequest, Timesteps
from frameweave.models.seam import Latents
from frameweave.runs.settings import Count, NotNegative, Only, Share


class Shuffled(Editor):
    """Joint attention in groups of frames that are drawn anew at each step.

    Draws, in this order: the noise, unless it is inverted (one for all frames; as published one for each);
    then for each step the order in which frames are cut into groups. To replay: `permutations` (steps x
    frames, without `anchor_frame`); as published each permutes the order before it, and `initial_noise`
    (F C h w).
    """

    steps: Count = 25
    """Steps of the inversion, and of the sampling."""
    guidance: float = 5.0
    """Classifier-free guidance scale (CFG) of the sampling; the inversion has none."""
    strength: Share = 1.0
    """Share of the steps that are inverted and sampled, as in img2img; lower keeps more of the source."""
    group: Annotated[int, Field(ge=2)] = 9
    """Frames in a group at most; fewer need less memory. Groups are as equal as can be."""
    shuffle: Shuffle = "random"
    """Which frames form a group at a step. random: any; strided: frames spread over the whole clip; local:
    neighbours, cut at a random place; none: neighbours, always the same."""
    anchor_frame: Annotated[int, Field(ge=-1)] = -1
    """Number of a frame that is in every group beside the others, counted from 0; -1 is none."""
    norms_over_group: bool = False
    """Group norms take their statistics over the frames of a group, as in RAVE. Off, over each frame."""
    noise: Literal["inverted", "random"] = "inverted"
    """Noise that the source starts with: inverted, its DDIM inversion; random, one noise for all frames, as
    in img2img."""
    inversion_steps: Annotated[NotNegative, Only("noise", "inverted")] = 0
    """Steps of the inversion, which must pass the first timestep of the edit; 0 means as many as the edit
    has."""
    controlnet: bool = False
    """Whether the depth ControlNet steers too."""
    controlnet_scale: Annotated[float, Only("controlnet", True)] = 1.0
    """How strongly the depth ControlNet steers."""
    controlnet_in_inversion: Annotated[bool, Only("controlnet", True), Only("noise", "inverted")] = True
    """Whether the depth ControlNet steers the inversion too; as published with scale 1."""
    as_published: bool = False
    """Reproduce RAVE's program: a group is one picture of tiles, frames that fill no whole grid are left out,
    the first step has guidance 0, and the source is inverted under an empty prompt."""

    def model_post_init(self, context: object) -> None:
        self._rules.check(self._grouping)

    @property
    def inverts(self) -> bool:
        return self.noise == "inverted"

    def edit(self, request: EditRequest) -> Latents:
        """As published an incomplete last grid is left out."""
        self._grouping.check(len(request))
        guides_of(self, request)  # what is missing is said before the inversion, which takes long
        x = self.started(request)
        with self.denoiser(request) as eps:
            return request.sampled(x, eps, self.timesteps(request))

    def timesteps(self, request: EditRequest) -> Timesteps:
        """The timesteps of the edit, noisiest first."""
        return request.timesteps(self.steps, self.strength)

    def taken(self, schedule: Schedule, visited: Sequence[float]) -> Sequence[float]:
        return Timesteps(visited, len(visited)).last(self.strength)

    def inverted(self, request: EditRequest) -> Trajectory:
        """The source at the first timestep of the edit; frames are inverted alone."""
        request = self._rules.asked(request, self.group)
        timesteps, guides = self.timesteps(request), request.guides
        if self.controlnet and self.controlnet_in_inversion:
            guides = self._rules.inversion_guides(guides_of(self, request))
        return request.inverted(
            request.timesteps(self.inversion_steps) if self.inversion_steps else timesteps,
            keep=self._rules.wanted(timesteps),
            guides=guides,
            chunk_size=2 * self.group,  # as many pictures as in the edit, which has two branches
        )

    def started(self, request: EditRequest) -> Latents:
        """The latents at the first timestep of the edit."""
        rules, t = self._rules, self.timesteps(request)[0]
        request = rules.asked(request, self.group)
        if self.inverts:
            return rules.started(request, self.inverted(request), t)
        return rules.noised(request, t)

    @contextmanager
    def denoiser(self, request: EditRequest) -> Generator[Eps, None, None]:
        """The guided noise prediction of one edit; draws the groups of all steps."""
        request = self._rules.asked(request, self.group)
        timesteps = self.timesteps(request)
        orders = self._rules.orders(self._permutations(request, len(timesteps)))
        with self._rules.denoising(
            request,
            self._grouping,
            self.guidance,
            guides_of(self, request),
            joint_norms=self.norms_over_group,
            first=timesteps[0],
        ) as grouped:
            yield lambda x, t: grouped(x, t, orders[timesteps.index(t)])

    def _permutations(self, request: EditRequest, steps: int) -> list[Tensor]:
        """What is drawn at each step; all at once, so that a run that goes on draws the same."""
        given, frames = request.draws.get("permutations"), len(request)
        if given is None:
            return [self._grouping.drawn(frames, request.rng) for _ in range(steps)]
        return self._grouping.replayed(given, frames, steps)

    @property
    def _grouping(self) -> Grouping:
        return Grouping(self.group, self.shuffle, self.anchor_frame)

    @property
    def _rules(self) -> Rules:
        return PUBLISHED if self.as_published else OURS
