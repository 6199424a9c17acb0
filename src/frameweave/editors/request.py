"""`EditRequest`: all that an editor is given, with what every editor does with it.

The verbs call down into models and mathematics only, so an editor is written without knowing of chunks of
frames, kept inversions, interrupted runs or adaptors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.contexts import blended
from frameweave.diffusion.inversion import Trajectory, in_memory, invert
from frameweave.diffusion.sampling import AfterStep, Eps, guided, sample
from frameweave.diffusion.schedule import Schedule
from frameweave.errors import InputError, ModelFolderError
from frameweave.models.memory import Chunks
from frameweave.models.seam import Conditioning, Guides, Latents, Model, VisionStates
from frameweave.progress import SILENT, Progress


@runtime_checkable
class Inversions(Protocol):
    """Keeps inversions, so that a second edit of the same clip need not invert it again."""

    def room(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Where a trajectory is put while it is computed."""
        ...

    def recall(self, x_0: Latents, about: str) -> Trajectory | None:
        """The trajectory of these latents that was kept under the same words, if there is one."""
        ...

    def keep(self, trajectory: Trajectory, about: str) -> None: ...


@runtime_checkable
class Keeper(Protocol):
    """Follows a long edit step by step; may bring back where an earlier run stopped."""

    def earlier(self, rng: torch.Generator) -> tuple[int, Latents] | None:
        """How many steps an earlier run did, and its latents; puts the generator where it was."""
        ...

    def after(self, done: int, x: Latents, expected: Latents, rng: torch.Generator) -> None:
        """Is told of each step: how many are done, the latents, and the clean ones expected."""
        ...


class Timesteps(list[int]):
    """Timesteps of a sampler, noisiest first; perhaps only the last of its `steps`."""

    def __init__(self, values: Sequence[int], steps: int) -> None:
        super().__init__(values)
        self.steps = steps


OnChunk = Callable[[int, int], None]
"""Is told the first frame and the count of each chunk before it is computed, in order, at every timestep."""


@dataclass(frozen=True, eq=False, kw_only=True)
class EditRequest:
    """A clip in latents, what to make of it, and the model to do it with.

    Raises `InputError` for an empty prompt and a clip without frames.
    """

    model: Model
    x_0: Latents
    """All frames, scaled. An editor that does not use the source takes only their shape."""
    prompt: str
    negative_prompt: str = ""
    source_prompt: str = ""
    """What the source shows."""
    rng: torch.Generator
    depth: Float[Tensor, "F 1 H W"] | None = None
    """Inverse depth in [0, 1], near is 1."""
    seen: VisionStates | None = None
    """See `Model.seen`."""
    progress: Progress = SILENT
    inversions: Inversions | None = None
    keeper: Keeper | None = None
    check_inversion: bool = False
    """Sample back from a new inversion and say how near that comes; doubles the inversion's time."""
    trajectory: Trajectory | None = None
    """An inversion to use instead of computing one."""
    draws: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    """Random draws to replay instead of drawing; each editor names its own."""
    respaced: Schedule | None = None
    """The schedule to sample by instead of the model's own; see `spaced_as_published`."""
    _told: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise InputError("the prompt is empty", hint="say what the video shall show")
        if len(self.x_0) == 0:
            raise InputError("the clip has no frames", hint="give a clip of at least one frame")

    def __len__(self) -> int:
        return len(self.x_0)

    @property
    def schedule(self) -> Schedule:
        """What the sampler follows."""
        return self.respaced or self.model.schedule

    def spaced_as_published(self) -> "EditRequest":
        """The same on timesteps 981, 961, ..., 1: published programs never heed the model's own spacing."""
        return replace(self, respaced=replace(self.schedule, spacing="leading", offset=1))

    def timesteps(self, steps: int, strength: float = 1.0) -> Timesteps:
        """Of a sampler with so many steps; with a lower strength only the last share of them, at least one.

        Raises `InputError` for more steps than the model has timesteps.
        """
        visited = self.schedule.timesteps(steps)
        return Timesteps(visited[steps - max(1, round(strength * steps)) :], steps)

    @property
    def guides(self) -> Guides:
        """What conditions beside the text where an editor asks for nothing else."""
        return Guides(seen=self.seen)

    def depth_guides(self, who: str, scale: float) -> Guides:
        """The same with the clip's depth, by which the ControlNet steers.

        Raises `InputError` when no depth was given, `ModelFolderError` when the model cannot use it.
        """
        if self.depth is None:
            raise InputError(f"{who} needs the clip's depth, and none was given", hint="give depth")
        if self.model.controlnet is None:
            raise ModelFolderError(
                f"{who} needs a depth ControlNet, and the model has none",
                hint="name one with --controlnet, e.g. lllyasviel/sd-controlnet-depth",
            )
        return Guides(seen=self.seen, depth=self.depth, controlnet_scale=scale)

    def conditioning(
        self,
        prompts: Sequence[str],
        guides: Guides | None = None,
        *,
        negative: Sequence[int] = (),
        blind: Sequence[int] = (),
    ) -> Conditioning:
        """`Model.conditioning` of the clip; says what the text encoder cannot take."""
        given = self.model.conditioning(prompts, guides or self.guides, negative=negative, blind=blind)
        return self._said(given, prompts)

    def eps(
        self,
        guidance: float,
        *,
        chunk_size: int = 16,
        guides: Guides | None = None,
        on_chunk: OnChunk = lambda _start, _count: None,
    ) -> Eps:
        """The guided prediction of the whole clip under the prompt, computed in chunks of frames.

        With guidance 1 the negative branch is not computed at all.
        """
        with_guidance = guidance != 1.0
        prompts, first = ([self.negative_prompt, self.prompt], (0,)) if with_guidance else ([self.prompt], ())
        conditioning = self.conditioning(prompts, guides, negative=first)
        chunks = Chunks(chunk_size, self.progress)

        @torch.no_grad()
        def eps(x: Tensor, t: int) -> Tensor:
            def part(chunk: slice) -> Tensor:
                on_chunk(chunk.start, chunk.stop - chunk.start)
                branches = self.model.predict(x[chunk], t, conditioning.of(chunk))
                return guided(branches[0], branches[1], guidance) if with_guidance else branches[0]

            return chunks.over(len(x), part)

        return eps

    def inverted(
        self,
        timesteps: Timesteps,
        *,
        keep: Sequence[int] | None = None,
        guides: Guides | None = None,
        chunk_size: int = 16,
        context: tuple[int, int] | None = None,
        variant: str = "",
    ) -> Trajectory:
        """The source's DDIM inversion without guidance under its prompt, frame by frame.

        `keep` are the timesteps whose latents are needed; `variant` names what makes this inversion
        unlike others of the same clip. With `context` (length and overlap) frames that depend on one another
        are taken a run at a time. Gives the trajectory that came with the request (raises `InputError` when
        it lacks a timestep), or one that was kept from an earlier run, and keeps a new one.
        """
        wanted = list(timesteps if keep is None else keep)
        if self.trajectory is not None:
            if missing := set(wanted) - set(self.trajectory.timesteps):
                raise InputError(
                    f"the given trajectory has no timestep {max(missing)}",
                    hint="invert with the steps of the edit",
                )
            return self.trajectory
        self._check_passed(wanted, timesteps)
        guides, store = guides or self.guides, self.inversions
        with_depth = guides.depth is not None
        variant = f"control {guides.controlnet_scale:g}" if with_depth else variant
        about = f"{self.source_prompt}|{timesteps}|{sorted(wanted)}|{timesteps.steps}|{with_depth}"
        about = f"{about}|{variant}|{context}"
        kept = None if store is None else store.recall(self.x_0, about)
        if kept is not None:
            self.progress.note("this clip is inverted already: that part is skipped")
            return kept
        model = self.model.inverse
        conditioning = self._said(model.conditioning([self.source_prompt], guides), [self.source_prompt])
        chunks = cache(lambda _part: Chunks(chunk_size, self.progress, divisible=context is None))

        @torch.no_grad()
        def run_eps(part: slice, x: Tensor, t: int) -> Tensor:
            own = conditioning.of(part)
            return chunks((part.start, part.stop)).over(
                len(x), lambda chunk: model.predict(x[chunk], t, own.of(chunk))[0]
            )

        eps = blended(run_eps, len(self), *(context or (len(self), 0)))
        trajectory = invert(
            eps,
            self.x_0,
            self.schedule,
            timesteps.steps,
            timesteps=timesteps,
            keep=wanted,
            room=in_memory if store is None else store.room,
            progress=self.progress,
        )
        if store is not None:
            store.keep(trajectory, about)
        if self.check_inversion:
            x = trajectory.noisiest.to(self.x_0)
            back = sample(eps, x, self.schedule, timesteps.steps, timesteps=timesteps, progress=self.progress)
            near = self._decibels(back)
            self.progress.note(f"sampling back from the inversion gives the clip at {near:.1f} dB")
        return trajectory

    def sampled(self, x: Latents, eps: Eps, timesteps: Timesteps) -> Latents:
        """DDIM from x at the first timestep to clean latents, going on where an earlier run stopped."""
        done, x, after = self.resumed(x, len(timesteps))
        rest, schedule, steps = timesteps[done:], self.schedule, timesteps.steps
        return sample(eps, x, schedule, steps, timesteps=rest, after=after, progress=self.progress)

    def resumed(self, x: Tensor, steps: int) -> tuple[int, Tensor, AfterStep | None]:
        """How many steps an earlier run did and its latents (or 0 and x), and whom to tell of the next ones.

        The latents are where the model is.
        """
        x, keeper = x.to(next(self.model.unet.parameters())), self.keeper
        if keeper is None:
            return 0, x, None
        kept = keeper.earlier(self.rng)
        done, x = (0, x) if kept is None else (kept[0], kept[1].to(x))
        if kept is not None:
            self.progress.note(f"going on after {done} of {steps} steps")
        return done, x, lambda count, now, expected: keeper.after(done + count, now, expected, self.rng)

    def _said(self, conditioning: Conditioning, prompts: Sequence[str]) -> Conditioning:
        """Says once of each text what the text encoder cannot take."""
        names = {self.source_prompt: "source prompt", self.negative_prompt: "negative prompt"}
        names[self.prompt] = "prompt"
        for prompt, rest in zip(prompts, conditioning.cut, strict=False):
            if rest and prompt not in self._told:
                self._told.add(prompt)
                what = names.get(prompt, "text")
                self.progress.note(f"the {what} is too long for the text encoder; not seen by it: {rest!r}")
        return conditioning

    def _check_passed(self, wanted: Sequence[int], timesteps: Timesteps) -> None:
        """Raise `InputError` when an inversion over these timesteps passes by one that is wanted."""
        if missing := set(wanted) - set(timesteps):
            finer = range(timesteps.steps, self.schedule.T + 1)
            enough = next(n for n in finer if set(wanted) <= set(self.schedule.timesteps(n)))
            raise InputError(
                f"inversion in {timesteps.steps} steps does not pass the edit's timestep {max(missing)}",
                hint=f"give inversion_steps={enough}, or leave it out",
            )

    def _decibels(self, x_0: Latents) -> float:
        """PSNR of latents' pictures against those of the source's latents."""
        decode = self.model.decode
        squares = [
            (decode(a) - decode(b)).square().mean((1, 2, 3))
            for a, b in zip(x_0.split(16), self.x_0.split(16), strict=True)
        ]
        return float(-10 * torch.cat(squares).mean().clamp(min=1e-10).log10())
