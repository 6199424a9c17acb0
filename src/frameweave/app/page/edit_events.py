"""What happens when an editor is chosen, and when an edit or a training is asked for."""

from dataclasses import dataclass
from typing import Any

from frameweave.app.page import pieces
from frameweave.app.page.clip import estimate, times_of
from frameweave.app.page.editors import PUBLISHED, STEPS
from frameweave.app.page.fields import text, whole
from frameweave.app.page.form import Values
from frameweave.app.page.workplace import Updates, Workplace, connect
from frameweave.app.uploads import Upload
from frameweave.editing.options import EditOptions
from frameweave.errors import FrameweaveError
from frameweave.training.personal_options import PersonalOptions


@dataclass(frozen=True)
class EditEvents:
    """Its handlers."""

    place: Workplace

    def bind(self) -> None:
        page, form = self.place.page, self.place.page.form
        connect(form.editor.input, self.chosen, form.editor, self.place.of_editor)
        values: set[Any] = {*form.components, page.clip}
        steps, published = (form.controls(name) for name in (STEPS, PUBLISHED))
        for control in (form.field("model"), *published):
            connect(control.input, self.renewed, values, steps)  # pyright: ignore[reportAttributeAccessIssue]
        masked: set[Any] = {*values, page.painted}
        connect(page.edit.click, self.edited, masked, [page.job, page.problem])
        connect(page.estimate.click, self.estimated, masked, page.problem, show_progress="minimal")
        own: set[Any] = {*values, page.training.shows, page.training.steps, page.training.rank}
        connect(page.training.start.click, self.trained, own, [page.job, page.problem])

    def chosen(self, editor: str) -> Updates:
        return self.place.with_editor(editor)

    def renewed(self, values: Values) -> Updates:
        """Another model, or the published program: the numbers of steps that nobody has touched follow."""
        form, found = self.place.page.form, Updates()
        for one in form.editors.values():
            found |= one.renewed(values, form.model(values))
        return found

    def edited(self, values: Values) -> Updates:
        """Edit: the job goes to the desk, and this tab shows it from now on."""
        page = self.place.page
        try:
            upload, prompts, options = self._asked(values)
            return {page.job: self.place.desk.submit(upload.path, prompts, options), page.problem: ""}
        except FrameweaveError as error:
            return {page.problem: pieces.problem(error)}

    def estimated(self, values: Values) -> str:
        """What the edit would take."""
        try:
            return pieces.said(estimate(*self._asked(values)))
        except FrameweaveError as error:
            return pieces.problem(error)

    def trained(self, values: Values) -> Updates:
        """Train an adaptor on the clip, for the model of the form."""
        page, training = self.place.page, self.place.page.training
        shows = text(values[training.shows])
        given = {
            "model": text(values[page.form.field("model")]),
            "shows": None if shows is None else (shows,),
            "steps": whole(values[training.steps]),
            "rank": whole(values[training.rank]),
            "device": self.place.options.device,
        }
        try:
            upload = self.place.needed(values[page.clip])
            options = PersonalOptions.of_table({name: one for name, one in given.items() if one is not None})
            return {page.job: self.place.desk.train(upload.path, options), page.problem: ""}
        except FrameweaveError as error:
            return {page.problem: pieces.problem(error)}

    def _asked(self, values: Values) -> tuple[Upload, list[str], EditOptions]:
        page = self.place.page
        upload = self.place.needed(values[page.clip])
        mask = self.place.upload(values[page.painted])
        options = page.form.options(values, times_of(upload.path), mask.path if mask else None)
        return upload, page.form.prompts(values), options.replaced(device=self.place.options.device)
