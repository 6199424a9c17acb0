"""VidToMe (Li et al., CVPR 2024, arXiv 2312.10656): tokens of neighbouring frames are merged.

At every noise level the clip is cut into chunks. Within a chunk, self-attention sees the tokens of
one frame and what the others have that it lacks; from chunk to chunk, tokens are handed on.
"""

import math
import re
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from frameweave.diffusion.inversion import Trajectory
from frameweave.diffusion.sampling import Eps, guided
from frameweave.editors._injection import STREAMS, attention_layers, features_injected, first_steps
from frameweave.editors._merging import joined, local
from frameweave.editors._noise import conditioned, inverted, needed_depth, sampled
from frameweave.editors._vidtome_draws import cut, ordered, published_draws
from frameweave.editors.base import Source, check, check_settings
from frameweave.errors import InputError
from frameweave.models.attention import Attend, Site, Tokens, overridden
from frameweave.models.control import scaled
from frameweave.models.seam import Latents, Model
from frameweave.progress import SILENT, Progress
from frameweave.runs.ranges import COUNT, SHARE


@dataclass(frozen=True, kw_only=True)
class VidToMe:
    """Local and global merging of tokens, with plug-and-play, a depth ControlNet, or neither.

    Draws, in this order. At each step: the length of the first chunk (one integer), whether the
    list is reversed (one float), the permutation of the list (unless the order is seq). Then for
    each chunk in turn: one integer for each level of local merging, and, from the second chunk on,
    one float for global merging; all layers share them. To replay: `chunks` (steps x chunks x 2:
    first frame and length, -1 pads), `local_target` (steps x chunks x levels), `global_draw`
    (steps x chunks).
    """

    steps: int = 25
    """Noise levels."""
    inversion_steps: int = 0
    """Noise levels of the inversion, which must pass those of the edit; 0 means as many."""
    guidance: float = 7.5
    """Classifier-free guidance."""
    variant: Literal["pnp", "depth", "plain"] = "pnp"
    """What keeps the structure: the source's injected features, a depth ControlNet, or only its noise."""
    control_scale: float = 1.0
    """How strongly the depth ControlNet steers (depth)."""
    chunk: int = 4
    """Frames that attend to one another."""
    order: str = "mix-4"
    """In which order chunks hand on their tokens: seq, rand, or mix-D (1/D of them first, at random)."""
    local_ratio: float = 0.9
    """Share of the tokens of a chunk's other frames that are merged."""
    merge_global: bool = True
    """Whether chunks hand on tokens."""
    global_ratio: float = 0.8
    """Share of the tokens that are merged between chunks."""
    global_rand: float = 0.5
    """Share of the cases in which the chunk's own tokens are the ones that stay."""
    align: bool = True
    """Whether all guidance branches share one matching (always with pnp)."""
    stride: int = 4
    """Frames to a target frame at each level of local merging."""
    max_downsample: int = 2
    """Tokens are merged in layers whose sides are at most so many times smaller than the latents'."""
    attention_share: float = 0.5
    """Share of the steps in which queries and keys are the source's (pnp)."""
    feature_share: float = 0.8
    """Share of the steps in which the source's features are injected (pnp)."""
    frames_at_once: int = 16
    """Frames in one UNet batch of the inversion; the edit's are those of a chunk."""
    as_published: bool = False
    """Do as the published program: the source stream under an empty prompt, chunks of more than
    16 frames merged at wrong places, and from a seed the same draws as there on a CPU."""

    def __post_init__(self) -> None:
        shares = dict.fromkeys(("local_ratio", "global_ratio", "global_rand"), SHARE)
        check_settings(self, max_downsample=COUNT, **shares)
        if self.stride < 2:
            raise InputError(
                f"stride is {self.stride}, expected at least 2",
                hint="set local_ratio=0 to merge nothing within a chunk",
            )
        if re.fullmatch(r"seq|rand|mix(-[1-9]\d*)?", self.order) is None:
            raise InputError(f"order {self.order!r}", hint="give seq, rand or mix-4")

    @property
    def uses_source(self) -> bool:
        return True

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
        check(source, prompt)
        if self.as_published:
            draws = published_draws(self, len(source), rng.initial_seed())
            source = replace(source, draws=draws | dict(source.draws))
        if self.needs_depth:  # said before the inversion, which takes long and does without
            needed_depth(source, model, "the depth variant")
        levels = model.schedule.timesteps(self.steps)
        trajectory = inverted(
            source,
            model,
            self.inversion_steps or self.steps,
            keep=levels,
            frames_at_once=self.frames_at_once,
            progress=progress,
        )
        with self.denoiser(
            source, trajectory, prompt, model, negative=negative, rng=rng, progress=progress
        ) as eps:
            x = trajectory.at(levels[0]).to(source.x_0)
            return sampled(source, eps, x, model.schedule, self.steps, rng=rng, progress=progress)

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
        """The guided noise prediction of one edit, while the UNet follows its rules."""
        near = needed_depth(source, model, "the depth variant") if self.needs_depth else None
        pnp = self.variant == "pnp"
        levels = model.schedule.timesteps(self.steps)
        shares = (self.attention_share, self.feature_share) if pnp else (0.0, 0.0)
        attention, features = (first_steps(levels, share) for share in shares)
        first = ["" if self.as_published else source.prompt] if pnp else []
        condition = conditioned(
            model, [*first, negative, prompt], source.seen, progress, negative=(len(first),)
        )
        merging = _Merging(self, attention_layers(model.unet) if pnp else frozenset())
        now = levels[0]

        @torch.no_grad()
        def eps(x: Tensor, t: int) -> Tensor:
            nonlocal now
            now, step = t, levels.index(t)
            merging.begin(injected=t in attention, latent=x.shape[2] * x.shape[3])
            noise = torch.empty_like(x)
            for turn, part in enumerate(self._chunks(source, len(x), step, rng)):
                merging.next_chunk(_Draws(source, step, turn, rng))
                own = x[part]
                if pnp:
                    own = torch.stack([trajectory.at(t)[part].to(x), own, own])
                depth = None if near is None else near[part]
                uncond, cond = model.eps(own, t, condition.of(part), depth)[-2:]
                noise[part] = guided(uncond, cond, self.guidance)
            return noise

        with ExitStack() as stack:
            stack.enter_context(features_injected(model.unet, lambda: now in features))
            stack.enter_context(scaled(model.controlnet, self.control_scale))
            stack.enter_context(overridden(model.unet, merging.rule))
            yield eps

    def _chunks(self, source: Source, frames: int, step: int, rng: torch.Generator) -> list[slice]:
        """The runs of frames of one step, in their order of work."""
        if "chunks" in source.draws:
            given = source.draws["chunks"][step].tolist()
            return [slice(first, first + length) for first, length in given if first >= 0]
        first = int(torch.randint(self.chunk, (1,), generator=rng)) + 1
        reverse = float(torch.rand(1, generator=rng)) > 0.5
        parts = [slice(a, a + n) for a, n in cut(frames, first, self.chunk, reverse=reverse)]
        if not self.merge_global or self.order == "seq":
            return parts
        permutation = torch.randperm(len(parts), generator=rng).tolist()
        return [parts[k] for k in ordered(permutation, self.order)]


class _Draws:
    """The random choices of one chunk's call, made when a layer first asks for them."""

    def __init__(self, source: Source, step: int, turn: int, rng: torch.Generator) -> None:
        self._given, self._at, self._rng = source.draws, (step, turn), rng
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
        self._remembered: dict[str, Tokens] = {}
        self._injected, self._latent = False, 0
        self._draws: _Draws | None = None

    def begin(self, *, injected: bool, latent: int) -> None:
        """A new noise level: forget what was handed on."""
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
            as_published=editor.as_published,
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
