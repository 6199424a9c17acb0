"""The edit itself is sampled: no inversion, and what it changes goes along with the source's motion.

The update is that of `diffusion.deltas`. All frames share the noise of a step, so that equal content is
changed alike, and after each step the edit of a frame is averaged with its neighbours'.
"""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from frameweave.diffusion.deltas import Changed, Levels, grown
from frameweave.diffusion.inversion import digest
from frameweave.diffusion.sampling import Resumed
from frameweave.editors._parts.growing import Growing
from frameweave.editors._parts.settling import smoothing
from frameweave.editors._parts.steered import guides_of
from frameweave.editors.request import EditRequest
from frameweave.models.memory import Chunks
from frameweave.models.seam import Latents
from frameweave.runs.settings import Count


class Delta(Growing):
    """The difference between the clip and its edit is sampled, and averaged along the source's motion.

    Draws to replay: `noise` (steps x 1 or F x C x h x w), the noise of each step that is taken.
    """

    source_guidance: float = 1.0
    """Guidance scale of the source prompt; 1 is none, and takes one prediction less."""
    radius: Annotated[int, Field(ge=0, le=8)] = 2
    """Neighbours to each side with which a frame's edit is averaged along the source's motion; 0 is none."""
    noise: Literal["shared", "fixed", "per_frame"] = "shared"
    """Noise of the steps: shared, a new one at each step, the same for all frames; fixed, one for all steps
    and frames; per_frame, a new one for each frame, which flickers."""
    negative: Literal["prompt", "source"] = "prompt"
    """What guidance leads away from: prompt, the negative prompt; source, the source prompt, as in FlowAlign,
    which changes more: give less guidance with it."""
    chunk_size: Count = 16
    """Frames in one call of the network; fewer need less memory."""

    @property
    def motion_radius(self) -> int:
        return self.radius

    def edit(self, request: EditRequest) -> Latents:
        levels = self.levels(request)
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
