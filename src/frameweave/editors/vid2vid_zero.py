"""vid2vid-zero (Wang et al., 2023, arXiv 2303.17599): source and edit are denoised side by side.

The clip is inverted, null-text optimisation makes guided sampling under the source prompt walk back
along the inversion, and the edit takes the source's text attention (prompt-to-prompt) while its
self-attention looks across frames. The three stages share settings, windows and norms, and so one file.
"""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.inversion import Trajectory, digest
from frameweave.diffusion.null_text import NullText, optimise
from frameweave.diffusion.sampling import clean, ddim_step, guided
from frameweave.diffusion.schedule import Schedule
from frameweave.diffusion.windows import blended
from frameweave.editors._cross_frame import cross_frame, dense_layers, sparse_causal
from frameweave.editors._noise import conditioned, inverted, resumed
from frameweave.editors._null_text import kept_or_made
from frameweave.editors._prompt_to_prompt import Loan, WordMap, controlled_steps, word_map
from frameweave.editors.base import Source, check, check_settings
from frameweave.errors import InputError
from frameweave.models.attention import AttentionRule, overridden, own
from frameweave.models.checkpointing import checkpointed
from frameweave.models.cross_attention import borrowing
from frameweave.models.memory import is_out_of_memory
from frameweave.models.norms import over_frames
from frameweave.models.seam import Latents, Model, TextStates
from frameweave.progress import SILENT, Progress
from frameweave.runs.ranges import COUNT, POSITIVE, SHARE, Range

Pair = Float[Tensor, "pair F C h w"]
"""Latents of the source and of the edit, or of the edit alone."""
PairEps = Callable[[Pair, int, int], Pair]
"""The guided noise prediction at step i and timestep t."""

_PUBLISHED_STEPS = 50


@dataclass(frozen=True, kw_only=True)
class Vid2VidZero:
    """Null-text inversion, prompt-to-prompt, sparse-causal and dense attention, norms over all frames.

    Needs the source prompt. All frames of a window go through the network at once, twice (four times
    while the source is needed) per step.
    """

    steps: int = 25
    """Noise levels of the edit."""
    inversion_steps: int = 0
    """Noise levels of inversion and optimisation, as published; 0 means as many as the edit has. The
    original always has 50, and takes the i-th null text at the i-th step of the edit."""
    guidance: float = 7.5
    """Classifier-free guidance of the optimisation and of the edit."""
    null_text: bool = True
    """Optimise the unguided branch's text, so that the source is kept. Off halves the time."""
    inner_steps: int = 1
    """Updates of the null text per noise level, at most."""
    rate: float = 1e-2
    """Adam's learning rate at the first noise level; it falls to a half of it at the last."""
    null_from: float = 0.5
    """Share of the steps after which the optimised null text is used; before, the plain one is."""
    null_until: float = 1.0
    """Share of the steps up to which it is used; after, the plain one is."""
    cross_replace: float = 0.8
    """Share of the steps that take the source's text attention, for prompts with equally many words."""
    cross_refine: float = 0.8
    """The same for prompts with different numbers of words; as published `self_replace` takes its place."""
    self_replace: float = 0.4
    """Share of the steps that take the source's self-attention, in layers of at most 16 x 16 latents whose
    frames look at themselves only; see `sparse_causal`."""
    emphasis: str = ""
    """Factors on the attention to words of the prompt while the source's is taken: red:2,snow:0.5"""
    dense_block: int = 0
    """Whose first transformer lets all frames see each other: this down block, the up block one
    further, and the middle. Higher is quicker; -1 is none."""
    sparse_causal: bool = True
    """In all other layers frames look at the first one and the one before. Off, each at itself."""
    null_cross_frame: bool = False
    """Optimise the null text while frames look at each other as in the edit. Off, each at itself."""
    joint_norms: bool = True
    """Group norms take statistics over all frames, as in the original, or else per frame."""
    window: int = 16
    """Frames that see one another; longer clips are edited in windows, and the null text is optimised
    on as many frames, spread over the clip."""
    overlap: int = 4
    """Frames that neighbouring windows share."""
    save_memory: bool = False
    """Compute activations again and branches one after the other: slower, the same result. The
    optimisation does so by itself when the memory does not suffice."""
    as_published: bool = False
    """Keep what look like slips of the original: see `cross_refine`, the rate that falls by 1 % per
    step whatever their number, how words are told apart and paired after ones of unequal length, a
    negative prompt that the null text puts out of action, dense layers in none but the named blocks."""

    def __post_init__(self) -> None:
        named = ("null_from", "null_until", "cross_replace", "cross_refine", "self_replace")
        shares = dict.fromkeys(named, SHARE)
        check_settings(self, inner_steps=COUNT, rate=POSITIVE, dense_block=Range(-1), **shares)
        if not self.as_published and self._inverted != self.steps:
            raise InputError(
                f"inversion_steps is {self.inversion_steps}, expected as many as the edit's {self.steps}",
                hint="leave it out, or set as_published too",
            )
        by_number = self.as_published and self.null_text
        if by_number and not self.steps <= self._inverted <= _PUBLISHED_STEPS:
            raise InputError(
                f"{self.steps} steps and {self._inverted} of the inversion with a null text as published, "
                f"expected no more steps than the inversion has, and that at most {_PUBLISHED_STEPS}",
                hint="take fewer steps, or leave as_published or null_text out",
            )

    @property
    def uses_source(self) -> bool:
        return True

    @property
    def needs_depth(self) -> bool:
        return False

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
        """`negative` takes the place of the empty prompt from which the null text starts."""
        check(source, prompt)
        if not source.prompt.strip():
            progress.note("vid2vid_zero keeps more of the clip when it is told what the clip shows")
        pairing = self.pairing(model, source.prompt, prompt)
        start = "" if self.as_published and self.null_text else negative
        states = conditioned(
            model, [start, source.prompt, prompt], source.seen, progress, negative=(0,)
        ).states
        trajectory = self.invert(source, model, progress=progress)
        null = None
        if self.null_text and self.null_from < 1:
            null = kept_or_made(
                source.inversions,
                lambda: self._optimised(states, trajectory, model, progress=progress).embeddings,
                start=states[0],
                levels=model.schedule.timesteps(self._inverted),
                about=self._about(states, trajectory),
                progress=progress,
            )
        x = trajectory.noisiest.to(source.x_0).expand(2, -1, -1, -1, -1)
        with self.editing(states, null, pairing, model, len(source)) as eps:
            return self._sampled(
                source, eps, x, model.schedule, self.controlled(pairing), rng=rng, progress=progress
            )

    def _sampled(
        self,
        source: Source,
        eps: PairEps,
        x: Pair,
        schedule: Schedule,
        controlled: int,
        *,
        rng: torch.Generator,
        progress: Progress,
    ) -> Latents:
        """The steps of the edit, going on where an earlier run stopped."""
        done, flat, after = resumed(source, x.flatten(0, 1), self.steps, rng, progress)
        x = flat.unflatten(0, (-1, len(source)))
        levels = schedule.timesteps(self.steps)[done:]
        for i, t in enumerate(progress.track(levels, "editing"), done):
            if i >= controlled:
                x = x[-1:]  # nobody looks at the source any more
            a, noise = schedule.at(t), eps(x, i, t)
            before, x = x, ddim_step(x, noise, a, schedule.at(schedule.before(t, self.steps)))
            if after is not None:
                after(i + 1 - done, x.flatten(0, 1), clean(before[-1], noise[-1], a))
        return x[-1]

    def invert(self, source: Source, model: Model, *, progress: Progress = SILENT) -> Trajectory:
        """First stage: the inversion under the empty prompt, each frame attending to itself."""
        length, overlap = self._window(len(source))
        with ExitStack() as stack:
            if self.joint_norms:
                stack.enter_context(over_frames(model.unet, length))
            return inverted(
                source,
                model,
                self._inverted,
                prompt="",
                window=(length, overlap) if self.joint_norms else None,
                frames_at_once=length,
                variant="norms over frames" if self.joint_norms else "",
                progress=progress,
            )

    def optimise(
        self, states: TextStates, trajectory: Trajectory, model: Model, *, progress: Progress = SILENT
    ) -> NullText:
        """Second stage: the null text, from the states of (negative, source, ...) prompts.

        A clip longer than a window is represented by as many frames, spread evenly. Where texts
        differ by frame, so do null texts, and a frame that was left out has its neighbour's.
        """
        frames = trajectory.latents.shape[1]
        length, _overlap = self._window(frames)
        chosen = torch.linspace(0, frames - 1, length).round().long()
        trajectory = Trajectory(trajectory.timesteps, trajectory.latents[:, chosen])
        states = _of(states, chosen)

        def eps(x: Tensor, t: int, text: Tensor) -> Tensor:
            return model.eps(x, t, text[None])[0]

        with ExitStack() as stack:
            if self.joint_norms:
                stack.enter_context(over_frames(model.unet, length))
            if self.null_cross_frame:
                stack.enter_context(overridden(model.unet, self._attention(model, length)))
            if self.save_memory:
                stack.enter_context(checkpointed(model.unet))
            found = optimise(
                eps,
                states[0],
                states[1],
                trajectory,
                schedule=model.schedule,
                steps=self._inverted,
                guidance=self.guidance,
                inner_steps=self.inner_steps,
                rate=self._rate,
                enough=self._enough,
                progress=progress,
            )
        nearest = (torch.arange(frames)[:, None] - chosen).abs().argmin(1)
        return replace(found, embeddings=_of(found.embeddings, nearest))

    def _optimised(
        self, states: TextStates, trajectory: Trajectory, model: Model, *, progress: Progress
    ) -> NullText:
        """`optimise`, with `save_memory` when the memory does not suffice without."""
        try:
            return self.optimise(states, trajectory, model, progress=progress)
        except RuntimeError as error:
            if not is_out_of_memory(error) or self.save_memory:
                raise
        progress.note("out of memory: optimising again with save_memory")
        return replace(self, save_memory=True).optimise(states, trajectory, model, progress=progress)

    @contextmanager
    def editing(
        self,
        states: TextStates,
        null: Float[Tensor, "N _ L D"] | None,
        pairing: WordMap,
        model: Model,
        frames: int,
    ) -> Generator[PairEps, None, None]:
        """Third stage: the noise predictions of source and edit, from the states of the three prompts.

        The source, which does not depend on the edit, may be left out after `controlled` steps.
        """
        length, overlap = self._window(frames)
        text_steps, self_steps = self._text_steps(pairing), self._self_steps
        loan = Loan(pairing, length, like=states, text_steps=text_steps, self_steps=self_steps)

        def eps(x: Pair, i: int, t: int) -> Pair:
            def part_eps(part: slice, own: Tensor, t: int) -> Tensor:
                return part_of(part, own.transpose(0, 1), i, t).transpose(0, 1)

            return blended(part_eps, frames, length, overlap)(x.transpose(0, 1), t).transpose(0, 1)

        @torch.no_grad()
        def part_of(part: slice, x: Pair, i: int, t: int) -> Pair:
            pair = len(x)
            plain = not self.steps * self.null_from <= i <= self.steps * self.null_until
            texts = states if null is None or plain else torch.cat([null[i][None], states[1:]])
            texts = _of(texts, torch.arange(part.start, part.stop))
            uncond, cond = texts[:1].expand(pair, -1, -1, -1), texts[-pair:]
            assert pair == 2 or i >= self.controlled(pairing), "the source's attention is still needed"
            loan.step = i
            if self.save_memory:
                loan.branch = None
                eps_uncond = model.eps(x, t, uncond)
                loan.branch = 0
                return guided(eps_uncond, model.eps(x, t, cond), self.guidance)
            loan.branch = pair
            both = model.eps(torch.cat([x, x]), t, torch.cat([uncond, cond]))
            return guided(both[:pair], both[pair:], self.guidance)

        with ExitStack() as stack:
            if self.joint_norms:
                stack.enter_context(over_frames(model.unet, length))
            stack.enter_context(overridden(model.unet, self._attention(model, length, loan)))
            stack.enter_context(borrowing(model.unet, loan))
            yield eps

    def pairing(self, model: Model, source_prompt: str, prompt: str) -> WordMap:
        """Which words of the prompts belong together."""
        return word_map(
            model.tokenizer, source_prompt, prompt, emphasis=self.emphasis, as_published=self.as_published
        )

    def controlled(self, pairing: WordMap) -> int:
        """How many steps take any of the source's attention."""
        return max(self._text_steps(pairing), self._self_steps)

    def _text_steps(self, pairing: WordMap) -> int:
        refine = self.self_replace if self.as_published else self.cross_refine
        return controlled_steps(refine if pairing.aligned else self.cross_replace, self.steps)

    @property
    def _self_steps(self) -> int:
        return 0 if self.sparse_causal else int(self.self_replace * self.steps)

    def _attention(self, model: Model, frames: int, loan: Loan | None = None) -> AttentionRule:
        dense = dense_layers(model.unet, self.dense_block, exact=self.as_published)
        others = sparse_causal(frames) if self.sparse_causal else own if loan is None else loan.self_attention
        return cross_frame(frames, dense, others)

    @property
    def _inverted(self) -> int:
        """Noise levels of inversion and optimisation."""
        return self.inversion_steps or self.steps

    def _window(self, frames: int) -> tuple[int, int]:
        length = frames if self.as_published else min(self.window, frames)
        return length, min(self.overlap, length - 1)

    def _about(self, states: TextStates, trajectory: Trajectory) -> str:
        """All that a null text depends on, besides the model."""
        clip = digest(trajectory.x_0, trajectory.noisiest, states[1])
        chosen = (self._inverted, self.guidance, self.inner_steps, self.rate, self.joint_norms)
        if self.null_cross_frame:
            chosen = (*chosen, "cross frame", self.dense_block, self.sparse_causal)
        chosen = (*chosen, self.as_published, self._window(len(trajectory.x_0)))
        return f"null text of {clip}: {chosen}"

    def _rate(self, i: int) -> float:
        return self.rate * (1 - i / (2 * (_PUBLISHED_STEPS if self.as_published else self.steps)))

    def _enough(self, i: int) -> float:
        return 1e-5 + i * 2e-5 * (1 if self.as_published else _PUBLISHED_STEPS / self.steps)


def _of(states: Float[Tensor, "N F L D"], frames: Tensor) -> Float[Tensor, "N G L D"]:
    """The texts of some frames; one that all frames share stays one."""
    return states if states.shape[1] == 1 else states[:, frames.to(states.device)]
