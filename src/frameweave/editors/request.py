"""`EditRequest`: all that an editor is given, with what every editor does with it.

The verbs call down into models and mathematics only, so an editor is written without knowing of chunks of
frames, kept inversions, interrupted runs or adaptors. They are the verbs of one class, so they stand in one
file, though it is a long one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.contexts import ContextEps, blended
from frameweave.diffusion.inversion import Keeping, Trajectory, digest, in_memory, invert
from frameweave.diffusion.samplers.sampler import DDIM, Sampler
from frameweave.diffusion.sampling import AfterStep, Eps, Path, Resumed, guided, rescaled_noise, run, sample
from frameweave.diffusion.schedule import Schedule
from frameweave.editors._parts.keeping import Inversions, Keeper, Shared
from frameweave.editors._parts.nearness import decibels
from frameweave.editors._parts.timesteps import Timesteps, check_passed
from frameweave.errors import InputError
from frameweave.models.control.controls import check_fit, check_maps
from frameweave.models.distilled import check_invertible
from frameweave.models.memory import Chunks
from frameweave.models.seam import Conditioning, ControlMap, Guides, Latents, Model, VisionStates
from frameweave.progress import SILENT, Progress
from frameweave.video.motion.motion import Motion

OnChunk = Callable[[int, int], None]
"""Is told the first frame and the count of each chunk before it is computed, in order, at every timestep."""
SomeEps = Callable[[Latents, float, slice | list[int]], Latents]
"""Predicts the noise in the latents of some frames, whose numbers come last, at a timestep."""


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
    sampler: Sampler = DDIM
    rng: torch.Generator
    """Draws for the editor, and at each step after it for the sampler: one noise for all frames."""
    maps: Mapping[str, ControlMap] = field(default_factory=dict[str, ControlMap])
    """By kind, the pictures by which ControlNets may steer, such as "depth": inverse depth, near is 1."""
    always_steered: bool = False
    """Whether they steer also where the editor asks for no guides."""
    seen: VisionStates | None = None
    """See `Model.seen`."""
    progress: Progress = SILENT
    inversions: Inversions | None = None
    keeper: Keeper | None = None
    check_inversion: bool = False
    """Sample back from a new inversion and say how near that comes; doubles the inversion's time."""
    motion: Motion | None = None
    """How the source moves, at the latents' size, for editors that ask for it; see `Editor.motion_radius`."""
    region: Float[Tensor, "_ 1 h w"] | None = None
    """Where to edit: 1 inside, 0 outside, at the latents' size, for all frames at once or for each."""
    anchors: Mapping[int, Float[Tensor, "1 C _ _"]] = field(default_factory=dict[int, Tensor])
    """Latents of frames that the user has edited, by their number."""
    shared: Shared | None = None
    """What other prompts for the same clip found out already."""
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
        factor, (_, _, height, width) = self.model.vae_factor, self.x_0.shape
        check_fit(self.maps, len(self), (width * factor, height * factor))

    def __len__(self) -> int:
        return len(self.x_0)

    @property
    def schedule(self) -> Schedule:
        """What the sampler follows."""
        return self.sampler.on(self.respaced or self.model.schedule)

    def spaced_as_published(self) -> "EditRequest":
        """The same on the timesteps of published programs, see `Schedule.as_published`."""
        return replace(self, respaced=self.schedule.as_published)

    def timesteps(self, steps: int, strength: float = 1.0) -> Timesteps:
        """Of a sampler with so many steps; with a lower strength only the last share of them, at least one.

        Raises `InputError` for more steps than the model has timesteps.
        """
        return Timesteps(self.schedule.timesteps(steps), steps).last(strength)

    @property
    def guides(self) -> Guides:
        """What conditions beside the text where an editor asks for nothing else."""
        return Guides(seen=self.seen, maps=self.maps if self.always_steered else {})

    def depth_guides(self, who: str, scale: float) -> Guides:
        """The same with the clip's maps, depth or others, by which the model's ControlNets steer.

        Raises `InputError` when a map is lacking, `ModelFolderError` when the model cannot use any.
        """
        kinds = self.model.control_kinds
        check_maps(kinds, self.maps, who=who)
        maps = {kind: self.maps[kind] for kind in kinds}
        return Guides(seen=self.seen, maps=maps, controlnet_scale=scale)

    def conditioning(
        self,
        prompts: Sequence[str],
        guides: Guides | None = None,
        *,
        negative: Sequence[int] = (),
        blind: Sequence[int] = (),
        source: Sequence[int] = (),
    ) -> Conditioning:
        """`Model.conditioning` of the clip; says what the text encoder cannot take."""
        given = self.model.conditioning(
            prompts, guides or self.guides, negative=negative, blind=blind, source=source
        )
        return self._said(given, prompts)

    def eps(
        self,
        guidance: float,
        *,
        chunk_size: int = 16,
        guides: Guides | None = None,
        on_chunk: OnChunk = lambda _start, _count: None,
    ) -> Eps:
        """`some_eps` for the whole clip, computed in chunks of frames."""
        some_eps, chunks = self.some_eps(guidance, guides), Chunks(chunk_size, self.progress)

        def eps(x: Tensor, t: float) -> Tensor:
            def part(chunk: slice) -> Tensor:
                on_chunk(chunk.start, chunk.stop - chunk.start)
                return some_eps(x[chunk], t, chunk)

            return chunks.over(len(x), part)

        return eps

    def some_eps(
        self, guidance: float, guides: Guides | None = None, *, source: bool = False, apart: bool = False
    ) -> SomeEps:
        """The guided prediction of some frames under the prompt, in one call of the network.

        With `source` under the source prompt, by the model that inverts; with `apart` guidance leads away
        from the source prompt. With guidance 1 the negative branch is not computed at all, nor where the
        network is told the scale.
        """
        model, prompt = (self.model.inverse, self.source_prompt) if source else (self.model, self.prompt)
        negative = self.source_prompt if apart else self.negative_prompt
        told = model.embeds_guidance
        if told and negative and "guidance" not in self._told:
            self._told.add("guidance")
            self.progress.note("the model is told the guidance scale, and takes no negative prompt")
        with_guidance = guidance != 1.0 and not told
        guides = replace(guides or self.guides, guidance=guidance) if told else guides or self.guides
        prompts, first = ([negative, prompt], (0,)) if with_guidance else ([prompt], ())
        conditioning = self._said(model.conditioning(prompts, guides, negative=first), prompts)

        @torch.no_grad()
        def eps(x: Latents, t: float, frames: slice | list[int]) -> Latents:
            branches = model.predict(x, t, conditioning.of(frames))
            return self.guided(branches, guidance, x, t) if with_guidance else branches[0]

        return eps

    def guided(self, branches: Float[Tensor, "2 F C h w"], scale: float, x: Latents, t: float) -> Latents:
        """The noise in x under guidance, from that of the negative branch and of the other one."""
        eps_uncond, eps_cond = branches
        out, share = guided(eps_uncond, eps_cond, scale), self.sampler.guidance_rescale
        if not share:
            return out
        said = self.model.prediction
        return rescaled_noise(out, eps_cond, share, x, a=self.schedule.at(t), prediction=said)

    def inverted(
        self,
        timesteps: Timesteps,
        *,
        keep: Sequence[float] | None = None,
        guides: Guides | None = None,
        chunk_size: int = 16,
        context: tuple[int, int] | None = None,
        run_eps: ContextEps | None = None,
        variant: str = "",
    ) -> Trajectory:
        """The source's DDIM inversion without guidance under its prompt, frame by frame or by `run_eps`.

        `keep` are the timesteps whose latents are needed; `variant` names what makes this inversion
        unlike others of the same clip. With `context` (length and overlap) frames that depend on one another
        are taken a run at a time. Gives the trajectory that came with the request (raises `InputError` when
        it lacks a timestep), or one that was kept from an earlier run, and keeps a new one.
        """
        check_invertible(self.model)
        wanted = list(timesteps if keep is None else keep)
        if self.trajectory is not None:
            if missing := set(wanted) - set(self.trajectory.timesteps):
                raise InputError(
                    f"the given trajectory has no timestep {max(missing):g}",
                    hint="invert with the steps of the edit",
                )
            return self.trajectory
        check_passed(self.schedule, wanted, timesteps)
        guides, store = guides or self.guides, self.inversions
        steered = [f"{kind} {digest(of_all)}" for kind, of_all in sorted(guides.maps.items())]
        variant = f"control {guides.controlnet_scale:g} {steered}{variant}" if steered else variant
        about = f"{self.source_prompt}|{timesteps}|{sorted(wanted)}|{timesteps.steps}|{bool(steered)}"
        about = f"{about}|{variant}|{context}{self.model.said([self.source_prompt])[0].apart}"
        kept = None if store is None else store.recall(self.x_0, about)
        if kept is not None:
            self.progress.note("this clip is inverted already: that part is skipped")
            known = {t: t for t in timesteps}  # files hold bare numbers
            return Trajectory([known.get(t, t) for t in kept.timesteps], kept.latents)
        model = self.model.inverse
        conditioning = self._said(model.conditioning([self.source_prompt], guides), [self.source_prompt])
        chunks = cache(lambda _part: Chunks(chunk_size, self.progress, divisible=context is None))

        @torch.no_grad()
        def frames_eps(part: slice, x: Tensor, t: float) -> Tensor:
            own = conditioning.of(part)
            return chunks((part.start, part.stop)).over(
                len(x), lambda chunk: model.predict(x[chunk], t, own.of(chunk))[0]
            )

        eps = blended(run_eps or frames_eps, len(self), *(context or (len(self), 0)))
        trajectory = invert(
            eps,
            self.x_0,
            self.schedule,
            timesteps.steps,
            timesteps=timesteps,
            keeping=Keeping(wanted, in_memory if store is None else store.room),
            progress=self.progress,
        )
        if store is not None:
            store.keep(trajectory, about)
        if self.check_inversion:
            x = trajectory.noisiest.to(self.x_0)
            back = sample(eps, x, self.schedule, timesteps.steps, timesteps=timesteps, progress=self.progress)
            near = decibels(self.model, back, self.x_0)
            self.progress.note(f"sampling back from the inversion gives the clip at {near:.1f} dB")
        return trajectory

    def begun(self, noise: Latents, t: float) -> Latents:
        """The latents at the first timestep of a clip that begins as noise alone."""
        return self.sampler.begun(noise, self.schedule, t)

    def noised(self, t: float) -> Latents:
        """The source at a timestep, under one noise for all frames, which is drawn now."""
        noise = self.model.noise((1, *self.x_0.shape[1:]), self.rng).to(self.x_0)
        return self.schedule.add_noise(self.x_0, noise, t)

    def sampled(self, x: Latents, eps: Eps, timesteps: Timesteps) -> Latents:
        """The sampler's way from x at the first timestep, going on where an earlier run stopped."""
        if not timesteps:
            return x
        path = Path.of(self.schedule, timesteps.steps, timesteps, final=self.sampler.final)
        frames, one = len(x), (1, *x.shape[1:])
        done, x, after = self.resumed(x, len(timesteps))
        memory = x[frames:].split(frames) if len(x) > frames else ()
        return run(
            eps,
            x[:frames],
            path,
            self.sampler.step,
            lambda: self.model.noise(one, self.rng).to(x),
            resumed=Resumed(done, memory, after),
            progress=self.progress,
        )

    def resumed(self, x: Tensor, steps: int) -> tuple[int, Tensor, AfterStep | None]:
        """How many steps an earlier run did and its latents (or 0 and x), and whom to tell of the next ones.

        The latents are where the model is, and of their type there.
        """
        x, keeper = x.to(self.model.device, self.model.dtype), self.keeper
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
