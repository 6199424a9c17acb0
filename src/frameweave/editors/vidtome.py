"""VidToMe (Li et al., CVPR 2024, arXiv 2312.10656): tokens of neighbouring frames are merged.

At every timestep the clip is cut into chunks. Within a chunk, self-attention sees the tokens of
one frame and what the others have that it lacks; from chunk to chunk, tokens are handed on.
"""

import math
import re
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from frameweave.diffusion.inversion import Trajectory
from frameweave.diffusion.sampling import Eps
from frameweave.editors._parts.injection import STREAMS, attention_layers, features_injected, first_steps
from frameweave.editors._parts.merging import joined, local
from frameweave.editors._parts.vidtome_draws import Choices, cut, ordered
from frameweave.editors._published.vidtome import OURS, PUBLISHED, Rules
from frameweave.editors.base import Editor
from frameweave.editors.request import EditRequest
from frameweave.errors import InputError
from frameweave.models.attention import Attend, Site, Tokens, overridden
from frameweave.models.seam import Guides, Latents
from frameweave.runs.settings import Count, NotNegative, Only, Share


class VidToMe(Editor):
    """Local and global merging of tokens, with plug-and-play, a depth ControlNet, or neither.

    Draws, in this order. At each step: the length of the first chunk (one integer), whether the
    list is reversed (one float), the permutation of the list (unless the order is seq). Then for
    each chunk in turn: one integer for each level of local merging, and, from the second chunk on,
    one float for global merging; all layers share them. To replay: `chunks` (steps x chunks x 2:
    first frame and length, -1 pads), `local_target` (steps x chunks x levels), `global_draw`
    (steps x chunks).
    """

    steps: Count = 25
    """Sampling steps."""
    inversion_steps: NotNegative = 0
    """Steps of the inversion, which must pass all timesteps of the edit; 0 means as many as the edit has."""
    guidance: float = 7.5
    """Classifier-free guidance scale (CFG)."""
    variant: Literal["pnp", "depth", "plain"] = "pnp"
    """What keeps the structure of the source: pnp, its injected features (plug-and-play); depth, a depth
    ControlNet; plain, its inverted noise alone."""
    controlnet_scale: Annotated[float, Only("variant", "depth")] = 1.0
    """How strongly the depth ControlNet steers. Variant depth only."""
    chunk: Count = 4
    """Frames in a chunk; the frames of a chunk attend to one another."""
    order: Annotated[str, Only("merge_global", True)] = "mix-4"
    """Order in which chunks hand on their tokens: seq, as in the clip; rand, at random; mix-D, first 1/D of
    them at random."""
    local_ratio: Share = 0.9
    """Share of the tokens that are merged within a chunk, into those of one frame."""
    merge_global: bool = True
    """Whether a chunk hands its tokens on to the next one."""
    global_ratio: Annotated[Share, Only("merge_global", True)] = 0.8
    """Share of the tokens that are merged between a chunk and the one before it."""
    global_rand: Annotated[Share, Only("merge_global", True)] = 0.5
    """Probability that the chunk's own tokens stay when they are merged with those handed on."""
    align: Annotated[bool, Only("variant", "depth", "plain")] = True
    """Whether prompt and negative prompt share one matching of tokens (always with variant pnp)."""
    stride: Annotated[int, Field(ge=2), Only("local_ratio")] = 4
    """Frames that are merged into one at each level of merging within a chunk."""
    max_downsample: Count = 2
    """Tokens are merged in layers whose sides are at most this many times smaller than the latents'."""
    attention_share: Annotated[Share, Only("variant", "pnp")] = 0.5
    """Share of the steps in which self-attention takes queries and keys of the source. Variant pnp only."""
    feature_share: Annotated[Share, Only("variant", "pnp")] = 0.8
    """Share of the steps in which features of the source are injected. Variant pnp only."""
    chunk_size: Count = 16
    """Frames in one call of the network during inversion; the edit takes those of a chunk."""
    as_published: bool = False
    """Reproduce the published program: the source is seen under an empty prompt, chunks of more than 16
    frames are merged at wrong places, and a seed gives the same draws as there on a CPU."""

    def model_post_init(self, context: object) -> None:
        if re.fullmatch(r"seq|rand|mix(-[1-9]\d*)?", self.order) is None:
            raise InputError(
                f"order {self.order!r}, expected seq, rand or mix-D", hint="give seq, rand or mix-4"
            )

    @property
    def needs_depth(self) -> bool:
        return self.variant == "depth"

    def edit(self, request: EditRequest) -> Latents:
        request = replace(request, draws=self._rules.draws(self.choices, request))
        self._guides(request)  # what is missing is said before the inversion, which takes long
        timesteps = request.timesteps(self.steps)
        inversion = request.timesteps(self.inversion_steps or self.steps)
        trajectory = request.inverted(inversion, keep=timesteps, chunk_size=self.chunk_size)
        with self.denoiser(request, trajectory) as eps:
            return request.sampled(trajectory.at(timesteps[0]), eps, timesteps)

    @contextmanager
    def denoiser(self, request: EditRequest, trajectory: Trajectory) -> Generator[Eps, None, None]:
        """The guided noise prediction of one edit, while the UNet follows its rules."""
        model, pnp = request.model, self.variant == "pnp"
        timesteps = request.timesteps(self.steps)
        shares = (self.attention_share, self.feature_share) if pnp else (0.0, 0.0)
        attention, features = (first_steps(timesteps, share) for share in shares)
        first = [self._rules.source_prompt(request)] if pnp else []
        conditioning = request.conditioning(
            [*first, request.negative_prompt, request.prompt],
            self._guides(request),
            negative=(len(first),),
            source=range(len(first)),
        )
        merging = _Merging(self, attention_layers(model.unet) if pnp else frozenset())
        now = timesteps[0]

        @torch.no_grad()
        def eps(x: Tensor, t: float) -> Tensor:
            nonlocal now
            now, step = t, timesteps.index(t)
            merging.begin(injected=t in attention, latent=x.shape[2] * x.shape[3])
            noise = torch.empty_like(x)
            for turn, part in enumerate(self._chunks(request, len(x), step)):
                merging.next_chunk(_Draws(request, step, turn))
                own = x[part]
                if pnp:
                    own = torch.stack([trajectory.at(t)[part].to(x), own, own])
                branches = model.predict(own, t, conditioning.of(part))[-2:]
                noise[part] = request.guided(branches, self.guidance, x[part], t)
            return noise

        with ExitStack() as stack:
            stack.enter_context(features_injected(model.unet, lambda: now in features))
            stack.enter_context(overridden(model.unet, merging.rule))
            yield eps

    def _guides(self, request: EditRequest) -> Guides:
        if not self.needs_depth:
            return request.guides
        return request.depth_guides("the depth variant", self.controlnet_scale)

    def _chunks(self, request: EditRequest, frames: int, step: int) -> list[slice]:
        """The runs of frames of one step, in their order of work."""
        if "chunks" in request.draws:
            given = request.draws["chunks"][step].tolist()
            return [slice(first, first + length) for first, length in given if first >= 0]
        first = int(torch.randint(self.chunk, (1,), generator=request.rng)) + 1
        reverse = float(torch.rand(1, generator=request.rng)) > 0.5
        parts = [slice(a, a + n) for a, n in cut(frames, first, self.chunk, reverse=reverse)]
        if not self.merge_global or self.order == "seq":
            return parts
        permutation = torch.randperm(len(parts), generator=request.rng).tolist()
        return [parts[k] for k in ordered(permutation, self.order)]

    @property
    def choices(self) -> Choices:
        """What decides how much is drawn."""
        return Choices(
            steps=self.steps,
            chunk=self.chunk,
            order=self.order if self.merge_global else "",
            stride=self.stride if self.local_ratio > 0 else 0,
        )

    @property
    def _rules(self) -> Rules:
        return PUBLISHED if self.as_published else OURS


class _Draws:
    """The random choices of one chunk's call, made when a layer first asks for them."""

    def __init__(self, request: EditRequest, step: int, turn: int) -> None:
        self._given, self._at, self._rng = request.draws, (step, turn), request.rng
        self._targets: list[int] = []
        self._float: float | None = None

    def target(self, level: int, n: int) -> int:
        if "local_target" in self._given:
            return int(self._given["local_target"][self._at][level])
        if level == len(self._targets):
            self._targets.append(int(torch.randint(n, (1,), generator=self._rng)))
        return self._targets[level]

    def share(self) -> float:
        if "global_draw" in self._given:
            return float(self._given["global_draw"][self._at])
        if self._float is None:
            self._float = float(torch.rand(1, generator=self._rng))
        return self._float


class _Merging:
    """The attention rule: merge, attend, unmerge; what is handed on is kept by layer for one step."""

    def __init__(self, editor: VidToMe, injectable: frozenset[str]) -> None:
        self._editor, self._injectable = editor, injectable
        self._streams = STREAMS if injectable else STREAMS - 1
        self._aligned = editor.align or bool(injectable)
        self._loose_first = (PUBLISHED if editor.as_published else OURS).loose_first
        self._remembered: dict[str, Tokens] = {}
        self._injected, self._latent = False, 0
        self._draws: _Draws | None = None

    def begin(self, *, injected: bool, latent: int) -> None:
        """A new timestep: forget what was handed on."""
        self._remembered.clear()
        self._injected, self._latent = injected, latent

    def next_chunk(self, draws: _Draws) -> None:
        self._draws = draws

    def rule(self, x: Tokens, attend: Attend, site: Site) -> Tokens:
        size = x.shape[1]
        if math.ceil((self._latent // size) ** 0.5) > self._editor.max_downsample:
            return self._attended(x, attend, site)
        editor, draws = self._editor, self._draws
        assert draws is not None
        frames = len(x) // self._streams
        whole = x.reshape(self._streams, frames * size, -1)
        merge = local(
            whole,
            frames,
            editor.local_ratio,
            aligned=self._aligned,
            stride=editor.stride,
            target=draws.target,
            loose_first=self._loose_first,
        )
        own = whole if merge is None else merge.merged(whole)
        y = self._beside_remembered(own, attend, site, draws) if editor.merge_global else None
        y = self._attended(own, attend, site) if y is None else y
        return (y if merge is None else merge.unmerged(y)).reshape(x.shape)

    def _beside_remembered(self, own: Tokens, attend: Attend, site: Site, draws: _Draws) -> Tokens | None:
        """Attention beside what the chunk before handed on, and what is handed on next."""
        editor, remembered = self._editor, self._remembered.get(site.name)
        self._remembered[site.name] = own
        if remembered is None:
            return None
        pair = joined(
            own,
            remembered,
            editor.global_ratio,
            aligned=self._aligned,
            into_remembered=draws.share() > editor.global_rand,
        )
        self._remembered[site.name] = pair.unjoined(pair.tokens)
        return pair.unjoined(self._attended(pair.tokens, attend, site))

    def _attended(self, x: Tokens, attend: Attend, site: Site) -> Tokens:
        if self._injected and site.name in self._injectable:
            source = x[: len(x) // self._streams]
            return attend(source, source, x)
        return attend(x, x, x)
