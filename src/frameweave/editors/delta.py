"""The edit itself is sampled: no inversion, and what it changes goes along with the source's motion.

The update is that of `diffusion.deltas`. All frames share the noise of a step, so that equal content is
changed alike, and after each step the edit of a frame is averaged with its neighbours'.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from frameweave.diffusion.deltas import Changed, Levels, Rho, grown
from frameweave.diffusion.inversion import digest
from frameweave.diffusion.sampling import Resumed
from frameweave.diffusion.schedule import Schedule
from frameweave.editors._parts.growing import Growing
from frameweave.editors._parts.settling import smoothing
from frameweave.editors._parts.steered import guides_of
from frameweave.editors.request import EditRequest
from frameweave.models.memory import Chunks
from frameweave.models.seam import Latents
from frameweave.runs.settings import Count, Only


class Delta(Growing):
    """The difference between the clip and its edit is sampled, and averaged along the source's motion.

    Draws to replay: `noise` (steps x 1 or F x C x h x w), the noise of each step that is taken.
    """

    steps: Count = 25
    """Steps of the sampler; those that are noisier than `start_sigma` are left out."""
    guidance: float = 5.0
    """Classifier-free guidance scale (CFG) of the prompt."""
    source_guidance: float = 1.0
    """The same of the source prompt; 1 is none, and takes one prediction less."""
    start_sigma: Annotated[float, Field(ge=0)] = 4.5
    """How noisy the clip is where the edit starts, as sigma: 4.5 is about t = 770 of 1000. Higher changes
    more, also shapes; 3 suffices for colours; 0 leaves the clip as it is."""
    rho: Rho = "flow"
    """The update: flow, as in FlowEdit; ddpm, as in the edit-friendly DDPM inversion; consistency, as in
    InfEdit, which suits models of few steps."""
    radius: Annotated[int, Field(ge=0, le=8)] = 2
    """Neighbours to each side with which a frame's edit is averaged along the source's motion; 0 is none."""
    noise: Literal["shared", "fixed", "per_frame"] = "shared"
    """Noise of the steps: shared, a new one at each step, the same for all frames; fixed, one for all steps
    and frames; per_frame, a new one for each frame, which flickers."""
    negative: Literal["prompt", "source"] = "prompt"
    """What guidance leads away from: prompt, the negative prompt; source, the source prompt, as in FlowAlign,
    which changes more: give less guidance with it."""
    controlnet: bool = False
    """Whether the depth ControlNet steers too, the clip and its edit alike."""
    controlnet_scale: Annotated[float, Only("controlnet", True)] = 1.0
    """How strongly the depth ControlNet steers."""
    chunk_size: Count = 16
    """Frames in one call of the network; fewer need less memory."""

    @property
    def motion_radius(self) -> int:
        return self.radius

    def taken(self, schedule: Schedule, visited: Sequence[float]) -> Sequence[float]:
        return Levels.of(schedule, visited, self.start_sigma).t

    def edit(self, request: EditRequest) -> Latents:
        levels = Levels.of(request.schedule, request.timesteps(self.steps), self.start_sigma, rho=self.rho)
        source = request.x_0
        changed = self._changed(request, source, levels)
        smoothed = smoothing(request, self.radius, who="delta")
        done, edit, after = request.resumed(torch.zeros_like(source), len(levels))
        resumed, progress = Resumed(done, after=after), request.progress
        edit = grown(
            changed,
            edit,
            levels,
            source,
            settled=lambda edit, _step: smoothed(edit),
            resumed=resumed,
            progress=progress,
        )
        return source + edit

    def _changed(self, request: EditRequest, source: Tensor, levels: Levels) -> Changed:
        """What the prompt changes in the noise that is predicted.

        Source and target are calls of their own, so that a prompt's bytes do not depend on whether another
        one has needed the source already.
        """
        if self.negative == "source" and request.negative_prompt:
            request.progress.note("with negative=source the negative prompt is not used")
        guides, shared = guides_of(self, request), request.shared
        source_eps = request.some_eps(self.source_guidance, guides, source=True)
        target_eps = request.some_eps(self.guidance, guides, apart=self.negative == "source")
        noise, chunks = self._noise(request), Chunks(self.chunk_size, request.progress)

        def changed(edit: Tensor, step: int) -> Tensor:
            t, n = levels.t[step], noise(step)
            about = "" if shared is None else f"{t!r} {digest(n)}"

            def part(chunk: slice) -> Tensor:
                def noised(x: Tensor) -> Latents:
                    here = n.to(source) if len(n) == 1 else n[chunk].to(source)
                    return request.schedule.add_noise(x, here, t)

                def of_source() -> Latents:
                    return source_eps(noised(source[chunk]), t, chunk)

                e_t = target_eps(noised(source[chunk] + edit[chunk]), t, chunk)
                e_s = of_source() if shared is None else shared.once(f"{about} {chunk}", of_source)
                return e_t.to(edit) - e_s.to(edit)

            return chunks.over(len(source), part)

        return changed

    def _noise(self, request: EditRequest) -> Callable[[int], Latents]:
        """The noise of a step, drawn when it is asked for; that of all steps is drawn now."""
        frames, *one = request.x_0.shape
        count = frames if self.noise == "per_frame" else 1

        def drawn() -> Latents:
            return request.model.noise((count, *one), request.rng)

        if "noise" in request.draws:
            return lambda step: request.draws["noise"][step].to(request.x_0)
        if self.noise != "fixed":
            return lambda _step: drawn()
        fixed = drawn()
        return lambda _step: fixed
