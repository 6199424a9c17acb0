"""The panels of a comparison: the source and each edit, as videos like those that `edit` writes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor

from frameweave.editing.adapting import adapted
from frameweave.editing.comparing.page import Panel
from frameweave.editing.footage import Fit, Footage
from frameweave.editing.given.mask import Mask, laid_over
from frameweave.editing.options import EditOptions
from frameweave.editing.previews import OnSteps, Watching
from frameweave.editing.sampling import sampler_of
from frameweave.editing.setup import steady_of
from frameweave.editors import running
from frameweave.editors.base import Editor
from frameweave.editors.request import Inversions
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import Progress
from frameweave.runs.run import Run
from frameweave.video import Picture, VideoWriter
from frameweave.video.clip import Clip, as_frames
from frameweave.video.motion.motion import Motion
from frameweave.video.pictures import save_picture, xt_slice

_NOBODY = partial(nullcontext, ())
_AT_ONCE = 4  # frames that are brought back to their size


@dataclass(frozen=True, eq=False, kw_only=True)
class Panels:
    """What all panels of a comparison have in common."""

    model: StableDiffusion
    footage: Footage
    source: Clip
    """The frames to edit, at the model's size, with their times in the panels."""
    prompt: str
    mask: Mask | None
    depth: Tensor | None
    motion: Motion | None
    """As far as any editor follows it."""
    inversions: Inversions
    fit: Fit
    progress: Progress
    watch: Callable[[], AbstractContextManager[OnSteps]] = _NOBODY
    """Who is told of the steps of each edit."""

    def edited(self, name: str, editor: Editor, options: EditOptions) -> Clip:
        """An edit at the model's size."""
        sampler = sampler_of(options, self.model, editor)
        with (
            adapted(self.model, options, name, editor, self.progress, sampler=sampler) as adapted_model,
            self.watch() as on_steps,
        ):
            return running.edit_clip(
                editor,
                self.source,
                self.prompt,
                adapted_model,
                source_prompt=options.source_prompt,
                negative_prompt=options.negative_prompt,
                sampler=sampler,
                depth=self.depth,
                motion=self.motion,
                region=self._region,
                steady=steady_of(options),
                inversions=None if options.adaptor else self.inversions,  # adapted edits keep none
                check_inversion=options.check_inversion,
                rng=torch.Generator().manual_seed(options.seed),
                progress=self.progress,
                keeper=Watching(on_steps) if on_steps else None,
            )

    @cached_property
    def _region(self) -> Tensor | None:
        """Where the mask lets an edit change latents: the same for all."""
        if self.mask is None:
            return None
        height, width = (side // self.model.vae_factor for side in self.source.frames.shape[2:])
        return self.mask.region(len(self.source), self.fit, (height, width))

    def keep(self, run: Run, panel: Panel, options: EditOptions, made: Callable[[], Clip]) -> None:
        """Write a clip at the source's size and its x-t slice, unless they are there."""
        if run.whole(panel.video) and run.whole(panel.slice):
            return
        clip, lines = made(), list[Tensor]()
        writer = VideoWriter(
            run.folder / panel.video,
            size=self.fit.original,
            fps=clip.fps,
            pixel_shape=clip.pixel_shape,
            colours=clip.colours,
            crf=options.crf,
        )
        with writer:
            for pixels, start, end in zip(self._pictures(clip), clip.times, clip.times[1:], strict=False):
                lines.append(xt_slice(as_frames(pixels[None])))
                writer.write(pixels, start, end - start)
        save_picture(torch.cat(lines, 1), run.folder / panel.slice)
        run.wrote(panel.video)
        run.wrote(panel.slice)

    def _pictures(self, clip: Clip) -> Iterator[Picture]:
        """At the source's size; where the mask is black, the source's own."""
        sized = (
            pixels
            for frames in clip.frames.split(_AT_ONCE)
            for pixels in Clip.of(self.fit.undo(frames)).pixels()
        )
        if self.mask is None:
            yield from sized
            return
        for source, edited, weight in zip(
            self.footage.edited_pictures(), sized, self.mask.weights(), strict=False
        ):
            yield laid_over(source.pixels, edited, weight)
