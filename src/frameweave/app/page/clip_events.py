"""What happens when the clip is chosen, its range is moved, and a mask or edited frames are given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from frameweave.app.page import pieces
from frameweave.app.page.clip import samples, times_of, warnings
from frameweave.app.page.form import Values
from frameweave.app.page.given import png_in, with_more
from frameweave.app.page.workplace import Updates, Workplace, connect
from frameweave.errors import FrameweaveError, InputError

_ANCHORED = "anchored"
"""The editor that carries edited frames to the others."""


@dataclass(frozen=True)
class ClipEvents:
    """Its handlers."""

    place: Workplace

    def bind(self) -> None:
        page, form = self.place.page, self.place.page.form
        of_clip = self.place.of_clip
        told = form.field("source_prompt")
        of_source = [*of_clip, told]
        connect(page.file.upload, self.uploaded, [page.file, told], of_source)
        connect(page.file.clear, self.cleared, told, of_source)
        connect(page.samples.click, self.sampled, None, of_source)
        values: set[Any] = {*form.components, page.clip}
        connect(form.prompt.blur, self.warned, values, page.facts)
        ends = [page.clip, form.first, form.last]
        for slider in (form.first, form.last):
            connect(slider.release, self.moved, ends, page.limits)
        first, mask = [page.clip, form.first], [page.painted, page.mask, page.mask_file, page.problem]
        connect(page.paint.click, self.painting, [*first, page.painted], mask)
        connect(page.mask_file.upload, self.masked, [*first, page.mask_file], mask)
        connect(page.mask_file.clear, self.place.without_mask, None, mask)
        anchored = [page.anchor_file, form.field("anchor"), page.problem]
        connect(page.anchor_file.upload, self.anchored, anchored[:2], [*anchored, *self.place.of_editor])
        connect(page.mask.click, self.painted, None, [*mask, page.kept])

    def uploaded(self, file: str | None, source_prompt: str | None) -> Updates:
        """A file was dropped on the page."""
        if file is None:
            return self.cleared(source_prompt)
        page = self.place.page
        try:
            upload = self.place.desk.uploads.keep(Path(file), Path(file).name)
            found = self.place.with_clip(upload)
            del found[page.file]  # whose box shows it
            return found | self._no_longer_shown(source_prompt)
        except FrameweaveError as error:
            return self.cleared(source_prompt) | {page.facts: pieces.problem(error)}

    def cleared(self, source_prompt: str | None) -> Updates:
        """The clip was taken away."""
        return self.place.without_clip() | self._no_longer_shown(source_prompt)

    def _no_longer_shown(self, source_prompt: str | None) -> Updates:
        """What a sample shows is not what the next clip shows; what the user wrote stays."""
        of_sample = source_prompt in [one.caption for one in samples()]
        return {self.place.page.form.field("source_prompt"): ""} if of_sample else {}

    def sampled(self, event: gr.EventData) -> Updates:
        """A sample was taken. What it shows is known."""
        number = getattr(event, "sample", None)
        if number is None:
            return {}
        page, sample = self.place.page, samples()[int(number)]
        upload = self.place.desk.uploads.keep(sample.path, sample.path.name)
        return self.place.with_clip(upload) | {page.form.field("source_prompt"): sample.caption}

    def warned(self, values: Values) -> Updates:
        """The prompt was left: words that the model does not know are told beside the clip."""
        page = self.place.page
        upload = self.place.upload(values[page.clip])
        if upload is None:
            return {}
        try:
            options = page.form.options(values, times_of(upload.path), None)
            found = warnings(page.form.prompts(values), options)
        except InputError:
            found = []  # it is told when the edit is asked for
        return {page.facts: pieces.facts(upload, found)}

    def moved(self, name: str | None, first: float | None, last: float | None) -> str:
        """The range was changed: its first and last frame are shown."""
        upload = self.place.upload(name)
        return "" if upload is None else self.place.limits(upload, first, last)

    def painting(self, name: str | None, first: float | None, mask: str | None) -> Updates:
        """A frame to paint on, with the mask that is there already."""
        try:
            given = self.place.upload(mask)
            return self.place.with_mask(self.place.needed(name), first, given.path if given else None)
        except FrameweaveError as error:
            return {self.place.page.problem: pieces.problem(error)}

    def masked(self, name: str | None, first: float | None, file: str | None) -> Updates:
        """A mask was uploaded. A picture can be painted further."""
        if file is None:
            return self.place.without_mask()
        try:
            given = self.place.desk.uploads.keep(Path(file), Path(file).name)
            return self.place.with_mask(self.place.needed(name), first, given.path)
        except FrameweaveError as error:
            return self.place.without_mask() | {self.place.page.problem: pieces.problem(error)}

    def anchored(self, files: list[str] | None, lines: str | None) -> Updates:
        """Edited frames were given: the editor that takes them is chosen."""
        page, uploads = self.place.page, self.place.desk.uploads
        try:
            names = [uploads.keep(Path(file), Path(file).name).path.name for file in files or ()]
            told = {page.form.field("anchor"): with_more(lines, names), page.problem: ""}
        except FrameweaveError as error:
            return {page.anchor_file: None, page.problem: pieces.problem(error)}
        return {page.anchor_file: None, **told, **self.place.with_editor(_ANCHORED)}

    def painted(self, event: gr.EventData) -> Updates:
        """A stroke was painted, and without any there is no mask; or one that is no picture is removed."""
        page, address = self.place.page, getattr(event, "mask", None)
        if getattr(event, "unmask", None) is not None:
            return self.place.without_mask()
        if address is None:
            return {}
        kept = str(getattr(event, "number", ""))  # of the stroke, for which Edit waits
        if not address:
            return {page.painted: None, page.mask_file: None, page.problem: "", page.kept: kept}
        try:
            name = self.place.desk.uploads.keep_mask(png_in(str(address))).name
        except FrameweaveError as error:
            return {page.problem: pieces.problem(error), page.kept: kept}
        return {page.painted: name, page.problem: "", page.kept: kept}
