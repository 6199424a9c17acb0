"""What the handlers of the page share: what stands behind it, and how the form takes a clip."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr

from frameweave.app.desk import Desk
from frameweave.app.options import AppOptions
from frameweave.app.page import pieces
from frameweave.app.page.clip import times_of
from frameweave.app.page.controls import Value
from frameweave.app.page.editors import sampler_choices
from frameweave.app.page.fields import OWN, whole
from frameweave.app.page.layout import Page
from frameweave.app.page.told import told
from frameweave.app.uploads import Upload
from frameweave.errors import InputError

Updates = dict[Any, object]
"""What a handler changes: values or `gr.update`s, by component. What it does not name stays."""


@dataclass(frozen=True)
class Workplace:
    """One page, which all tabs share; what differs by tab, the browser keeps and sends along."""

    page: Page
    desk: Desk
    options: AppOptions

    def upload(self, name: Value) -> Upload | None:
        """The clip that the browser names; None where it names none, or one that is gone."""
        if not name:
            return None
        try:
            return self.desk.uploads.known(str(name))
        except InputError:
            return None

    def kept(self, file: Path) -> Upload:
        """A file of a run, among the uploads, where it lies already if it came from the page."""
        found = self.upload(file.name)
        if found is not None and found.path.absolute() == file.absolute():
            return found
        return self.desk.uploads.keep(file, file.name)

    def needed(self, name: Value) -> Upload:
        """The same. Raises `InputError` where there is none."""
        found = self.upload(name)
        if found is None:
            raise InputError("there is no clip yet", hint="drop a video on Clip, or take a sample")
        return found

    def with_clip(self, upload: Upload) -> Updates:
        """The form with this clip, all of it."""
        page, count = self.page, len(times_of(upload.path))
        return (
            {
                page.clip: upload.path.name,
                page.facts: pieces.facts(upload, ()),
                page.file: None,
                page.problem: "",
            }
            | self._without_given()
            | self.with_range(upload, 1, count)
        )

    def without_clip(self) -> Updates:
        page = self.page
        return {
            page.clip: None,
            page.facts: "",
            page.limits: pieces.limits(None, ()),
            page.part: gr.update(visible=False),
        } | self._without_given()

    def without_mask(self) -> Updates:
        page = self.page
        return {page.painted: None, page.mask: "", page.mask_file: None}

    def _without_given(self) -> Updates:
        """Without what was given for the clip before."""
        return self.without_mask() | {self.page.form.field("anchor"): ""}

    def with_range(self, upload: Upload, first: int, last: int) -> Updates:
        """The frames that are edited, counted from 1."""
        form, count = self.page.form, len(times_of(upload.path))
        return {
            self.page.part: gr.update(visible=True),
            form.first: gr.update(value=first, maximum=max(2, count), interactive=count > 1),
            form.last: gr.update(value=last, maximum=max(2, count), interactive=count > 1),
            self.page.limits: self.limits(upload, first, last),
        }

    def limits(self, upload: Upload, first: float | None, last: float | None) -> str:
        """Their pictures."""
        times = times_of(upload.path)
        numbers = [min(max(1, whole(one) or 1), len(times)) for one in (first, last)]
        return pieces.limits(upload, [float(times[number - 1]) for number in numbers])

    def with_editor(self, editor: str, sampler: Value = OWN) -> Updates:
        """Another editor: its settings, samplers, and what it does."""
        form = self.page.form
        listed = form.editors[editor].listed
        groups = {one.group: gr.update(visible=name == editor) for name, one in form.editors.items()}
        return {
            form.editor: gr.update(value=editor, info=listed.what),
            form.sampler: gr.update(choices=sampler_choices(listed), value=sampler),
            **groups,
        }

    def with_mask(self, upload: Upload, first: float | None, given: Path | None) -> Updates:
        """The first frame of the range to paint on, with the mask that is there already."""
        times = times_of(upload.path)
        number = min(max(1, whole(first) or 1), len(times))
        shown = pieces.mask(upload, float(times[number - 1]), given)
        return {self.page.painted: given.name if given else None, self.page.mask: shown}

    @property
    def of_clip(self) -> list[Any]:
        """What changes with the clip."""
        page, form = self.page, self.page.form
        mask = [page.mask, page.painted, page.mask_file]
        shown = [page.facts, page.limits, page.part, *mask, page.problem, page.file]
        return [page.clip, form.first, form.last, form.field("anchor"), *shown]

    @property
    def of_editor(self) -> list[Any]:
        """What changes with the editor."""
        form = self.page.form
        return [form.editor, form.sampler, *(one.group for one in form.editors.values())]


def connect(
    event: Any,
    handler: Callable[..., Any],
    inputs: Any,
    outputs: Any,
    *,
    show_progress: str = "hidden",
) -> None:
    """Let a handler follow an event. It is no part of the server's interface for programs.

    Gradio's queue keeps a record of each event for ever, and only shows errors of those in it: ours are not,
    and problem.js shows their errors.
    """
    event(
        told(_complete(handler)),
        inputs,
        outputs,
        queue=False,
        show_progress=show_progress,
        api_visibility="private",
    )


def _complete(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The same; Gradio does not know what an empty dictionary means."""

    @wraps(handler)
    def inner(*args: Any) -> Any:
        found = handler(*args)
        return gr.skip() if found == {} else found

    return inner
