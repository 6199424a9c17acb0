"""Noise predictions for whole clips, in chunks of frames, and the inversion that the editors share."""

from collections.abc import Callable, Sequence
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.inversion import Trajectory, in_memory, invert
from frameweave.diffusion.sampling import AfterStep, Eps, guided, sample
from frameweave.diffusion.schedule import Schedule
from frameweave.diffusion.windows import blended
from frameweave.editors._source import Source
from frameweave.errors import InputError, ModelFolderError
from frameweave.models.memory import Chunks
from frameweave.models.seam import Condition, Model, VisionStates
from frameweave.progress import Progress


def conditioned(
    model: Model,
    prompts: Sequence[str],
    seen: VisionStates | None,
    progress: Progress,
    *,
    negative: Sequence[int] = (),
) -> Condition:
    """The text of a run, see `Model.condition`; says what the text tower cannot take."""
    condition = model.condition(prompts, seen, negative)
    if condition.cut:
        progress.note(f"the prompt is too long for the text tower; not seen by it: {condition.cut!r}")
    return condition


def needed_depth(source: Source, model: Model, who: str) -> Float[Tensor, "F 1 H W"]:
    """The clip's depth. Raises `InputError` without it, `ModelFolderError` when nothing can use it."""
    if source.depth is None:
        raise InputError(f"{who} needs the clip's depth, and none was given", hint="give depth")
    if model.controlnet is None:
        raise ModelFolderError(
            f"{who} needs a depth ControlNet, and the model has none",
            hint="name one with --control, e.g. lllyasviel/sd-controlnet-depth",
        )
    return source.depth


def prompt_eps(
    model: Model,
    prompt: str,
    negative: str,
    guidance: float,
    *,
    frames_at_once: int,
    progress: Progress,
    depth: Float[Tensor, "F 1 H W"] | None = None,
    seen: VisionStates | None = None,
    on_chunk: Callable[[int, int], None] = lambda _start, _count: None,
    divisible: bool = True,
) -> Eps:
    """The guided noise prediction for a whole clip, computed in chunks of frames.

    With guidance 1 the negative branch is not computed at all. `on_chunk` is told the first frame
    and the count of each chunk before it is computed, in order, at every noise level. `divisible`:
    see `Chunks`.
    """
    with_guidance = guidance != 1.0
    prompts, first = ([negative, prompt], (0,)) if with_guidance else ([prompt], ())
    condition = conditioned(model, prompts, seen, progress, negative=first)
    chunks = Chunks(frames_at_once, progress, divisible)

    @torch.no_grad()
    def eps(x: Tensor, t: int) -> Tensor:
        def part(chunk: slice) -> Tensor:
            on_chunk(chunk.start, chunk.stop - chunk.start)
            near = None if depth is None else depth[chunk]
            branches = model.eps(x[chunk], t, condition.of(chunk), near)
            return guided(branches[0], branches[1], guidance) if with_guidance else branches[0]

        return chunks.over(len(x), part)

    return eps


def inverted(
    source: Source,
    model: Model,
    steps: int,
    *,
    timesteps: list[int] | None = None,
    keep: list[int] | None = None,
    depth: Float[Tensor, "F 1 H W"] | None = None,
    prompt: str | None = None,
    variant: str = "",
    window: tuple[int, int] | None = None,
    frames_at_once: int,
    progress: Progress,
) -> Trajectory:
    """The source's DDIM inversion without guidance under its prompt, frame by frame.

    `timesteps` and `keep` are those of `invert`; `prompt` replaces the source's;
    `variant` names what else makes this inversion unlike others of the same clip. With `window`
    (length and overlap) frames that depend on one another are taken a window at a time. Uses the
    trajectory that the source brings (raises `InputError` when it lacks a timestep), or one that
    was kept from an earlier run, and keeps a new one.
    """
    visited = model.schedule.timesteps(steps) if timesteps is None else timesteps
    wanted = visited if keep is None else keep
    if source.trajectory is not None:
        if missing := set(wanted) - set(source.trajectory.timesteps):
            raise InputError(
                f"the given trajectory has no timestep {max(missing)}",
                hint="invert with the steps of the edit",
            )
        return source.trajectory
    if missing := set(wanted) - set(visited):
        finer = range(steps, model.schedule.T + 1)
        enough = next(n for n in finer if set(wanted) <= set(model.schedule.timesteps(n)))
        raise InputError(
            f"inversion in {steps} steps does not pass the edit's timestep {max(missing)}",
            hint=f"give inversion_steps={enough}, or leave it out",
        )
    words = source.prompt if prompt is None else prompt
    store = source.inversions
    about = f"{words}|{visited}|{sorted(wanted)}|{steps}|{depth is not None}|{variant}|{window}"
    kept = None if store is None else store.recall(source.x_0, about)
    if kept is not None:
        progress.note("this clip is inverted already: that part is skipped")
        return kept

    @cache
    def eps_of(start: int, stop: int) -> Eps:
        return prompt_eps(
            model.inverse,
            words,
            "",
            1.0,
            frames_at_once=frames_at_once,
            progress=progress,
            depth=None if depth is None else depth[start:stop],
            seen=None if source.seen is None else source.seen[start:stop],
            divisible=window is None,
        )

    length, overlap = window or (len(source), 0)
    eps = blended(lambda part, x, t: eps_of(part.start, part.stop)(x, t), len(source), length, overlap)
    trajectory = invert(
        eps,
        source.x_0,
        model.schedule,
        steps,
        timesteps=visited,
        keep=wanted,
        room=in_memory if store is None else store.room,
        progress=progress,
    )
    if store is not None:
        store.keep(trajectory, about)
    if source.check_inversion:
        x = trajectory.noisiest.to(source.x_0)
        back = sample(eps, x, model.schedule, steps, timesteps=visited, progress=progress)
        near = _decibels(model, back, source)
        progress.note(f"sampling back from the inversion gives the clip at {near:.1f} dB")
    return trajectory


def _decibels(model: Model, x_0: Tensor, source: Source) -> float:
    """PSNR of latents' pictures against those of the source's latents."""
    squares = [
        (model.decode(a) - model.decode(b)).square().mean((1, 2, 3))
        for a, b in zip(x_0.split(16), source.x_0.split(16), strict=True)
    ]
    return float(-10 * torch.cat(squares).mean().clamp(min=1e-10).log10())


def sampled(
    source: Source,
    eps: Eps,
    x: Tensor,
    schedule: Schedule,
    steps: int,
    *,
    timesteps: list[int] | None = None,
    rng: torch.Generator,
    progress: Progress,
) -> Tensor:
    """`sample`, going on where an earlier run stopped if the source's keeper knows."""
    visited = schedule.timesteps(steps) if timesteps is None else timesteps
    done, x, after = resumed(source, x, len(visited), rng, progress)
    return sample(eps, x, schedule, steps, timesteps=visited[done:], after=after, progress=progress)


def resumed(
    source: Source, x: Tensor, steps: int, rng: torch.Generator, progress: Progress
) -> tuple[int, Tensor, AfterStep | None]:
    """How many steps an earlier run did and its latents (or 0 and x), and whom to tell of the next ones."""
    keeper = source.keeper
    if keeper is None:
        return 0, x, None
    kept = keeper.earlier(rng)
    done, x = (0, x) if kept is None else (kept[0], kept[1].to(x))
    if kept is not None:
        progress.note(f"going on after {done} of {steps} steps")
    return done, x, lambda count, now, expected: keeper.after(done + count, now, expected, rng)
