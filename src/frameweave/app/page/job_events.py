"""What is shown of the job of a tab, and of earlier runs, whose settings can be loaded back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from frameweave.app.job import JobView
from frameweave.app.page import pieces
from frameweave.app.page.adaptors import adaptor_choices, trained_by
from frameweave.app.page.clip import times_of
from frameweave.app.page.workplace import Updates, Workplace, connect
from frameweave.editing.options import EditOptions
from frameweave.errors import FrameweaveError, InputError
from frameweave.runs.records import Record

_GOING = ("waiting", "running")


class Seen(Record):
    """What a tab was sent, by which nothing is sent twice."""

    version: str
    job: str | None
    result: str
    history: str


@dataclass(frozen=True)
class JobEvents:
    """Its handlers."""

    place: Workplace

    def bind(self, blocks: gr.Blocks) -> None:
        page, form = self.place.page, self.place.page.form
        own = [page.job, page.seen]
        connect(page.stop.click, self.stopped, own, None)
        connect(page.go_on.click, self.went_on, own, None)
        connect(page.result.click, self.taken, None, form.adaptor)
        watched = [page.status, page.result, page.stop, page.go_on, page.history, form.adaptor, page.seen]
        connect(page.timer.tick, self.looked, own, watched)
        every: list[Any] = [
            *form.components, *self.place.of_clip, form.sampler, page.job,
            *(one.group for one in form.editors.values()),
        ]  # fmt: skip
        every = list(dict.fromkeys(every))
        connect(page.history.click, self.looked_up, None, every)
        connect(blocks.load, self.came_back, [page.clip, page.painted, page.job], every)

    def looked(self, job: str | None, seen: Mapping[str, object] | None) -> Updates:
        """The timer: what has changed since this tab was sent something last."""
        page, version = self.place.page, self.place.desk.look()
        before = Seen.model_validate(seen) if seen else None
        view = self._followed(job, seen)
        shown = view.id if view else None
        if before is not None and (before.version, before.job) == (version, shown):
            return {}
        history = self.place.desk.history()
        now = Seen(
            version=version,
            job=shown,
            result=f"{shown} {view.state if view else ''}",
            history=" ".join((str(shown), *(f"{one.id} {one.state}" for one in history))),
        )
        updates: Updates = {
            page.status: pieces.status(view),
            page.stop: gr.update(visible=view is not None and view.state in _GOING and not view.elsewhere),
            page.go_on: gr.update(visible=view is not None and view.goes_on),
            page.seen: now.model_dump(),
        }
        if before is None or before.result != now.result:
            updates[page.result] = pieces.result(view, history)
        if before is None or before.history != now.history:
            updates[page.history] = pieces.history(history, shown)
            updates[page.form.adaptor] = gr.update(choices=adaptor_choices(trained_by(history)))
        return updates

    def stopped(self, job: str | None, seen: Mapping[str, object] | None) -> None:
        if view := self._followed(job, seen):
            self.place.desk.stop(view.id)

    def went_on(self, job: str | None, seen: Mapping[str, object] | None) -> None:
        if view := self._followed(job, seen):
            self.place.desk.go_on(view.id)

    def taken(self, event: gr.EventData) -> Updates:
        """A trained adaptor is chosen in the form."""
        folder, adaptor = getattr(event, "adaptor", None), self.place.page.form.adaptor
        if not folder:
            return {}
        choices = adaptor_choices(trained_by(self.place.desk.history()))
        return {adaptor: gr.update(choices=choices, value=str(folder))}

    def looked_up(self, event: gr.EventData) -> Updates:
        """A run of the history is shown, or its settings are loaded into the form, too."""
        page = self.place.page
        show, load = getattr(event, "show", None), getattr(event, "load", None)
        if load is None:
            return {} if show is None else {page.job: str(show)}
        try:
            return self._loaded(str(load)) | {page.job: str(load)}
        except FrameweaveError as error:
            return {page.problem: pieces.problem(error)}

    def came_back(self, name: str | None, mask: str | None, job: str | None) -> Updates:
        """The page was opened or reloaded: the clip and the settings of its last job are there again."""
        found: Updates = {}
        try:
            if job is not None and self.place.desk.view(job).kind != "train":
                found = self._loaded(job)
        except FrameweaveError:
            found = {}  # it is gone, or its clip is
        upload = self.place.upload(name)
        if upload is not None and found.get(self.place.page.clip) != upload.path.name:
            found |= self.place.with_clip(upload)
        painted = self.place.upload(mask)
        if upload is not None and painted is not None:
            found |= self.place.with_mask(upload, 1, painted.path)
        return found

    def _loaded(self, job: str) -> Updates:
        form, asked = self.place.page.form, self.place.desk.settings_of(job)
        options = asked.options
        if not isinstance(options, EditOptions):
            raise InputError("that run is a training", hint="load the settings of an edit")
        upload = self.place.kept(asked.video)
        given = [text.partition("=") for text in options.anchor]
        anchors = tuple(f"{number}={self.place.kept(Path(file)).path}" for number, _, file in given)
        options = options.replaced(anchor=anchors)
        asked, times = replace(asked, options=options), times_of(upload.path)
        values = form.shown(asked, times)
        first, last = (int(str(values.pop(one))) for one in (form.first, form.last))
        found = self.place.with_clip(upload)
        found |= {one: gr.update(value=value) for one, value in values.items()}
        found |= self.place.with_editor(options.editor, values[form.sampler])
        found |= self.place.with_range(upload, first, last)
        if left := form.left_out(asked, times):
            names = ", ".join(f"--{name.replace('_', '-')}" for name in left)
            found[self.place.page.problem] = pieces.said(
                f"Not loaded, as this form has no place for it: {names}. The command line has."
            )
        if options.mask is None:
            return found
        mask = self.place.kept(options.mask)
        return found | self.place.with_mask(upload, first, mask.path)

    def _followed(self, job: str | None, seen: Mapping[str, object] | None) -> JobView | None:
        """The job that a tab shows: its own, else the one that runs, or the last one that it showed."""
        for one in (job, self.place.desk.current, Seen.model_validate(seen).job if seen else None):
            if one is not None:
                try:
                    return self.place.desk.view(one)
                except InputError:
                    continue
        return None
