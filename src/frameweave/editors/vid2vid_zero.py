"""vid2vid-zero (Wang et al., 2023, arXiv 2303.17599): source and edit are denoised side by side.

The clip is inverted, null-text optimisation makes guided sampling under the source prompt walk back
along the inversion, and the edit takes the source's text attention (prompt-to-prompt) while its
self-attention looks across frames. The three stages share settings, runs of frames and norms, and so
one file.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from frameweave.diffusion.contexts import blended
from frameweave.diffusion.inversion import Trajectory, digest
from frameweave.diffusion.null_text import NullText, optimise
from frameweave.diffusion.samplers.names import SamplerName
from frameweave.diffusion.sampling import clean, ddim_step, guided
from frameweave.editors._parts.cross_frame import cross_frame, dense_layers, sparse_causal
from frameweave.editors._parts.null_text import kept_or_made
from frameweave.editors._parts.prompt_parts import map_of
from frameweave.editors._parts.prompt_to_prompt import Loan, WordMap, controlled_steps
from frameweave.editors._published.vid2vid_zero import OURS, PUBLISHED, Rules
from frameweave.editors.base import Editor
from frameweave.editors.request import EditRequest
from frameweave.models.attention import AttentionRule, overridden, own
from frameweave.models.checkpointing import checkpointed
from frameweave.models.cross_attention import borrowing
from frameweave.models.memory import is_out_of_memory
from frameweave.models.norms import over_frames
from frameweave.models.seam import Conditioning, Latents, Model
from frameweave.runs.settings import Count, NotNegative, Only, Positive, Share

Pair = Float[Tensor, "pair F C h w"]
"""Latents of the source and of the edit, or of the edit alone."""
PairEps = Callable[[Pair, int, float], Pair]
"""The guided noise prediction at step i and timestep t."""


class Vid2VidZero(Editor):
    """Null-text inversion, prompt-to-prompt, sparse-causal and dense attention, norms over all frames.

    Needs the source prompt. All frames of a run go through the network at once, twice (four times
    while the source is needed) per step.
    """

    spaced_as_published = True
    steps: Count = 25
    """Sampling steps."""
    inversion_steps: NotNegative = 0
    """Steps of the inversion and of the null-text optimisation; 0 means as many as the edit has. The
    original always has 50, and takes the i-th null text at the i-th step of the edit."""
    guidance: float = 7.5
    """Classifier-free guidance scale (CFG) of the optimisation and of the edit."""
    null_text: bool = True
    """Null-text inversion: optimise the empty prompt so that the source is kept. Off takes half the time."""
    inner_steps: Annotated[Count, Only("null_text", True)] = 1
    """Largest number of updates of the null text in each step."""
    rate: Annotated[Positive, Only("null_text", True)] = 1e-2
    """Learning rate (Adam) of the null text in the first step; it falls to a half by the last."""
    null_from: Annotated[Share, Only("null_text", True)] = 0.5
    """Share of the steps after which the optimised null text is used; until then the empty prompt is."""
    null_until: Annotated[Share, Only("null_text", True)] = 1.0
    """Share of the steps up to which the optimised null text is used; then the empty prompt is."""
    cross_replace: Share = 0.8
    """Share of the steps that take the source's cross-attention, if both prompts have the same number of
    words."""
    cross_refine: Share = 0.8
    """The same as `cross_replace` if the numbers of words differ; as published `self_replace` takes its
    place."""
    self_replace: Annotated[Share, Only("sparse_causal", False, other=Only("as_published"))] = 0.4
    """Share of the steps that take the source's self-attention, in layers of at most 16 x 16 latents. It
    acts only without `sparse_causal`, in layers where each frame looks at itself."""
    emphasis: str = ""
    """Weights of words of the prompt while the source's cross-attention is taken, e.g. red:2,snow:0.5"""
    dense_block: Annotated[int, Field(ge=-1)] = 0
    """Where all frames attend to one another: in the first transformer of this down block, of the up block
    after it, and of the middle block. Higher is quicker; -1 is nowhere."""
    sparse_causal: bool = True
    """In all other layers a frame attends to the first frame and to the one before it. Off, to itself."""
    null_cross_frame: Annotated[bool, Only("null_text", True)] = False
    """Optimise the null text with the attention between frames that the edit has. Off, each frame attends
    to itself."""
    joint_norms: bool = True
    """Group norms take their statistics over all frames, as in the original. Off, over each frame."""
    context_length: Count = 16
    """Frames that attend to one another. A longer clip is edited in overlapping parts of this length, and
    the null text is optimised on as many frames, spread over the clip."""
    context_overlap: NotNegative = 4
    """Frames that neighbouring parts of a long clip share."""
    save_memory: bool = False
    """Compute activations twice, and the branches of guidance one after the other: slower, with the same
    result. The optimisation does so by itself when the memory does not suffice."""
    as_published: bool = False
    """Reproduce what look like slips of the original: `self_replace` in place of `cross_refine`; a rate that
    falls by 1 % per step whatever their number; how words are told apart, and paired after words of unequal
    length; a negative prompt without effect beside the null text; dense layers in the named blocks only."""

    @property
    def samplers(self) -> tuple[SamplerName, ...]:
        return ("ddim",)  # by whose steps the null text is optimised

    def model_post_init(self, context: object) -> None:
        self._rules.check_steps(self.steps, self._inverted, null_text=self.null_text)

    def edit(self, request: EditRequest) -> Latents:
        """The negative prompt takes the place of the empty one from which the null text starts."""
        request = self._rules.asked(request)
        if not request.source_prompt.strip():
            told = "vid2vid_zero keeps more of the clip if --source-prompt tells what it shows"
            request.progress.note(told)
        pairing = self.pairing(request)
        start = self._rules.start(request.negative_prompt, null_text=self.null_text)
        said = [start, request.source_prompt, request.prompt]
        conditioning = request.conditioning(said, negative=(0,), source=(1,))
        trajectory = self.invert(request)
        null = None
        if self.null_text and self.null_from < 1:
            null = kept_or_made(
                request,
                lambda: self._optimised(request, conditioning, trajectory).embeddings,
                start=conditioning.texts[0],
                timesteps=request.timesteps(self._inverted),
                about=self._about(conditioning, trajectory),
            )
        x = trajectory.noisiest.expand(2, -1, -1, -1, -1)
        with self.editing(request, conditioning, null) as eps:
            return self._sampled(request, eps, x, self.controlled(pairing))

    def _sampled(self, request: EditRequest, eps: PairEps, x: Pair, controlled: int) -> Latents:
        """The steps of the edit, going on where an earlier run stopped."""
        schedule = request.schedule
        done, flat, after = request.resumed(x.flatten(0, 1), self.steps)
        x = flat.unflatten(0, (-1, len(request)))
        rest = schedule.timesteps(self.steps)[done:]
        for i, t in enumerate(request.progress.track(rest, "editing"), done):
            if i >= controlled:
                x = x[-1:]  # nobody looks at the source any more
            a, noise = schedule.at(t), eps(x, i, t)
            before, x = x, ddim_step(x, noise, a, schedule.at(schedule.before(t, self.steps)))
            if after is not None:
                after(i + 1 - done, x.flatten(0, 1), clean(before[-1], noise[-1], a))
        return x[-1]

    def invert(self, request: EditRequest) -> Trajectory:
        """First stage: the inversion under the empty prompt, each frame attending to itself."""
        length, overlap = self._context(len(request))
        with self._norms(request.model, length):
            return replace(request, source_prompt="").inverted(
                request.timesteps(self._inverted),
                context=(length, overlap) if self.joint_norms else None,
                chunk_size=length,
                variant="norms over frames" if self.joint_norms else "",
            )

    def optimise(self, request: EditRequest, conditioning: Conditioning, trajectory: Trajectory) -> NullText:
        """Second stage: the null text, from the conditioning by (negative, source, ...) prompts.

        A clip longer than `context_length` is represented by as many frames, spread evenly. Where texts
        differ by frame, so do null texts, and a frame that was left out has its neighbour's.
        """
        model, frames = request.model, trajectory.latents.shape[1]
        length, _overlap = self._context(frames)
        chosen = torch.linspace(0, frames - 1, length).round().long()
        trajectory = Trajectory(trajectory.timesteps, trajectory.latents[:, chosen])
        some = conditioning.of(chosen.tolist())
        uncond, cond = some.branches(0), some.branches(1)
        with self._norms(model, length), ExitStack() as stack:
            if self.null_cross_frame:
                stack.enter_context(overridden(model.unet, self._attention(model, length)))
            if self.save_memory:
                stack.enter_context(checkpointed(model.unet))
            found = optimise(
                lambda x, t, text: model.predict(x, t, uncond.with_texts(text[None]))[0],
                lambda x, t: model.predict(x, t, cond)[0],
                uncond.texts[0],
                trajectory,
                schedule=request.schedule,
                steps=self._inverted,
                guidance=self.guidance,
                inner_steps=self.inner_steps,
                rate=lambda i: self.rate * self._rules.rate(i, self.steps),
                enough=lambda i: self._rules.enough(i, self.steps),
                progress=request.progress,
            )
        if found.embeddings.shape[1] == 1:  # all frames share it
            return found
        nearest = (torch.arange(frames)[:, None] - chosen).abs().argmin(1)
        return replace(found, embeddings=found.embeddings[:, nearest.to(found.embeddings.device)])

    def _optimised(
        self, request: EditRequest, conditioning: Conditioning, trajectory: Trajectory
    ) -> NullText:
        """`optimise`, with `save_memory` when the memory does not suffice without."""
        try:
            return self.optimise(request, conditioning, trajectory)
        except RuntimeError as error:
            if not is_out_of_memory(error) or self.save_memory:
                raise
        request.progress.note("out of memory: optimising again with save_memory")
        return self.replaced(save_memory=True).optimise(request, conditioning, trajectory)

    @contextmanager
    def editing(
        self, request: EditRequest, conditioning: Conditioning, null: Float[Tensor, "N _ L D"] | None
    ) -> Generator[PairEps, None, None]:
        """Third stage: the noise predictions of source and edit, conditioned by the three prompts.

        The source, which does not depend on the edit, may be left out after `controlled` steps.
        """
        model, frames, pairing = request.model, len(request), self.pairing(request)
        length, overlap = self._context(frames)
        text_steps, self_steps = self._text_steps(pairing), self._self_steps
        loan = Loan(pairing, length, like=conditioning.texts, text_steps=text_steps, self_steps=self_steps)

        def eps(x: Pair, i: int, t: float) -> Pair:
            def part_eps(part: slice, own: Tensor, t: float) -> Tensor:
                return part_of(part, own.transpose(0, 1), i, t).transpose(0, 1)

            return blended(part_eps, frames, length, overlap)(x.transpose(0, 1), t).transpose(0, 1)

        @torch.no_grad()
        def part_of(part: slice, x: Pair, i: int, t: float) -> Pair:
            given = conditioning
            if null is not None and self.steps * self.null_from <= i <= self.steps * self.null_until:
                given = given.with_texts(torch.cat([null[i][None], given.texts[1:]]))
            given, pair = given.of(part), len(x)
            assert pair == 2 or i >= self.controlled(pairing), "the source's attention is still needed"
            uncond, cond = (0,) * pair, (1, 2)[-pair:]
            loan.step = i
            if self.save_memory:
                loan.branch = None
                eps_uncond = model.predict(x, t, given.branches(*uncond))
                loan.branch = 0
                return guided(eps_uncond, model.predict(x, t, given.branches(*cond)), self.guidance)
            loan.branch = pair
            both = model.predict(torch.cat([x, x]), t, given.branches(*uncond, *cond))
            return guided(both[:pair], both[pair:], self.guidance)

        rule = self._attention(model, length, loan)
        with self._norms(model, length), overridden(model.unet, rule), borrowing(model.unet, loan):
            yield eps

    def pairing(self, request: EditRequest) -> WordMap:
        """Which words of the prompts belong together."""
        return map_of(
            request.model,
            (request.negative_prompt, request.source_prompt, request.prompt),
            emphasis=self.emphasis,
            wording=self._rules.wording,
        )

    def controlled(self, pairing: WordMap) -> int:
        """How many steps take any of the source's attention."""
        return max(self._text_steps(pairing), self._self_steps)

    def _text_steps(self, pairing: WordMap) -> int:
        refine = self._rules.refine(self.cross_refine, self.self_replace)
        return controlled_steps(refine if pairing.aligned else self.cross_replace, self.steps)

    @property
    def _self_steps(self) -> int:
        return 0 if self.sparse_causal else int(self.self_replace * self.steps)

    def _norms(self, model: Model, length: int) -> AbstractContextManager[object]:
        """Statistics over all frames that are edited together, if they are to be."""
        return over_frames(model.unet, length) if self.joint_norms else nullcontext()

    def _attention(self, model: Model, frames: int, loan: Loan | None = None) -> AttentionRule:
        dense = dense_layers(model.unet, self.dense_block, exact=self._rules.named_blocks_only)
        others = sparse_causal(frames) if self.sparse_causal else own if loan is None else loan.self_attention
        return cross_frame(frames, dense, others)

    @property
    def _inverted(self) -> int:
        """Steps of inversion and optimisation."""
        return self.inversion_steps or self.steps

    @property
    def _rules(self) -> Rules:
        return PUBLISHED if self.as_published else OURS

    def _context(self, frames: int) -> tuple[int, int]:
        """How many frames see one another, and how many neighbouring runs of them share."""
        length = self._rules.context_length(frames, self.context_length)
        return length, min(self.context_overlap, length - 1)

    def _about(self, conditioning: Conditioning, trajectory: Trajectory) -> str:
        """All that a null text depends on, besides the model."""
        clip = digest(trajectory.x_0, trajectory.noisiest, conditioning.texts[1])
        chosen = (self._inverted, self.guidance, self.inner_steps, self.rate, self.joint_norms)
        if self.null_cross_frame:
            chosen = (*chosen, "cross frame", self.dense_block, self.sparse_causal)
        chosen = (*chosen, self.as_published, self._context(len(trajectory.x_0)))
        return f"null text of {clip}: {chosen}"
