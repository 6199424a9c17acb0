"""A few frames lead: the user has edited them in any program, or the editor does; all others look at them.

As in Fairy (Wu et al., 2024, arXiv 2312.13834), every frame attends to its own tokens and to those of a few
anchors at the same timestep. What is sampled is the edit itself (see `diffusion.deltas`), so that a frame
which the user gives has its place in the loop: its edit is known, and stays as it is.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from frameweave.diffusion.deltas import Changed, Levels, grown
from frameweave.diffusion.inversion import digest
from frameweave.diffusion.sampling import Resumed
from frameweave.editors._parts.anchoring import Anchoring, check_given, spread
from frameweave.editors._parts.carrying import Carrying
from frameweave.editors._parts.growing import Growing
from frameweave.editors._parts.settling import motion_for, smoothing
from frameweave.editors._parts.steered import guides_of
from frameweave.editors.request import EditRequest
from frameweave.models.attention import overridden, self_attentions
from frameweave.models.memory import Chunks
from frameweave.models.seam import Latents
from frameweave.runs.settings import Count, Only, Share


class Anchored(Growing):
    """Frames that you have edited, or a few that are edited first, lead all others.

    Draws to replay: `noise` (steps x 1 x C x h x w), the noise of each step that is taken.
    """

    guidance: float = 5.0
    """Classifier-free guidance scale (CFG) of the prompt; the source prompt has none."""
    anchors: Annotated[int, Field(ge=0)] = 3
    """Frames that lead where none are given, spread evenly; 0 is none: each frame is edited alone."""
    nearest: Count = 3
    """How many anchors a frame looks at, those nearest in time."""
    look: Literal["both", "anchors"] = "both"
    """What a frame looks at. both: itself and the anchors; anchors: them alone, which follows them more, and
    loses what they do not show."""
    layers: Literal["all", "decoder"] = "all"
    """The part of the network in which frames look at anchors."""
    radius: Annotated[int, Field(ge=0, le=8)] = 1
    """Neighbours to each side with which a frame's edit is averaged along the source's motion; 0 is none."""
    pull: Share = 1.0
    """How far each frame's edit is drawn, after each step, to that of the anchors around it, carried along
    the source's motion from frame to frame; 0 is not at all: anchors lead by attention alone."""
    pull_until: Annotated[Share, Only("pull")] = 1.0
    """The share of the steps in which it is."""
    chunk_size: Count = 16
    """Frames in one call of the network; fewer need less memory. Anchors that no user gave are one call."""

    @property
    def takes_anchors(self) -> bool:
        return True

    @property
    def motion_radius(self) -> int:
        return max(self.radius, 1 if self.pull else 0)

    def edit(self, request: EditRequest) -> Latents:
        check_given(request)
        levels = self.levels(request)
        source = request.x_0
        unet, leading = request.model.unet, sorted(request.anchors) or spread(self.anchors, len(source))
        if request.anchors:
            self._tell_idle(request, "edited frames are given", "anchors")
        elif not leading:
            self._tell_idle(request, "no frame leads", "nearest", "look", "layers", "pull", "pull_until")
        rule = Anchoring(
            leading,
            [name for name in self_attentions(unet) if self.layers == "all" or name.startswith("up_blocks.")],
            own=self.look == "both",
            joint=not request.anchors,
            nearest=self.nearest,
        )
        settled = self._settled(request, source, leading, len(levels))
        changed = self._changed(request, source, levels, rule)
        done, edit, after = request.resumed(settled(torch.zeros_like(source), 0), len(levels))
        resumed, progress = Resumed(done, after=after), request.progress
        with overridden(unet, rule.rule) if leading else nullcontext():
            edit = grown(changed, edit, levels, source, settled=settled, resumed=resumed, progress=progress)
        return source + edit

    def _tell_idle(self, request: EditRequest, why: str, *names: str) -> None:
        """Say of settings that are not as usual that they change nothing in this edit."""
        for name in self.changed(names):
            request.progress.note(f"{why}: {name}={getattr(self, name)} changes nothing")

    def _changed(self, request: EditRequest, source: Tensor, levels: Levels, rule: Anchoring) -> Changed:
        """What the prompt changes in the noise that is predicted; nothing in frames that are given."""
        guides = guides_of(self, request)
        source_eps = request.some_eps(1.0, guides, source=True)
        target_eps = request.some_eps(self.guidance, guides)
        chunks, given = Chunks(self.chunk_size, request.progress), sorted(request.anchors)

        def changed(edit: Tensor, step: int) -> Tensor:
            t = levels.t[step]
            if "noise" in request.draws:
                noise = request.draws["noise"][step]
            else:
                noise = request.model.noise((1, *source.shape[1:]), request.rng)

            def noised(x: Tensor) -> Latents:
                return request.schedule.add_noise(x, noise.to(x), t).to(request.x_0)

            def of_source() -> Latents:
                return rule.predicted(source_eps, noised(source), t, chunks)

            e_t = rule.predicted(target_eps, noised(source + edit), t, chunks)
            shared = request.shared
            e_s = of_source() if shared is None else shared.once(f"{t!r} {digest(noise)}", of_source)
            difference = e_t.to(edit) - e_s.to(edit)
            difference[given] = 0
            return difference

        return changed

    def _settled(
        self, request: EditRequest, source: Tensor, leading: Sequence[int], steps: int
    ) -> Callable[[Tensor, int], Tensor]:
        """Averages an edit along the source's motion, and draws it to the anchors'; given frames stay."""
        smoothed = smoothing(request, self.radius, who="anchored")
        given, inside = sorted(request.anchors), request.region
        known = (
            torch.cat([source[:0], *(request.anchors[number].to(source) for number in given)]) - source[given]
        )
        if inside is not None:
            known *= inside.expand(len(source), -1, -1, -1)[given].to(source)
        led = self.pull and leading
        carrying = Carrying.over(motion_for(request, "anchored"), leading) if led else None

        def settled(edit: Tensor, step: int) -> Tensor:
            edit = smoothed(edit)
            edit[given] = known
            if carrying is not None and step < self.pull_until * steps:
                edit = carrying.drawn(edit, self.pull, inside)
            return edit if inside is None else edit * inside.to(edit)

        return settled
