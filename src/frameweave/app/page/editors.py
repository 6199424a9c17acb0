"""The editor of the form: which one, and a group of controls for each, of which one is shown."""

from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr
from gradio.components import Component

from frameweave.app.page.controls import Control, Value, asked_of, control_of
from frameweave.app.page.fields import OWN, whole
from frameweave.editing.listed import Listed, settings_of
from frameweave.editing.options import EditOptions

_SHOWN = 4
"""Settings that are not folded: the first ones of an editor's class are those that matter."""
PUBLISHED, STEPS = "as_published", "steps"
"""Settings of editors which are some of the edit, too."""


@dataclass(frozen=True)
class EditorControls:
    """The controls of one editor, and the group that holds them."""

    listed: Listed
    group: gr.Group
    controls: Mapping[str, Control]

    def asked(self, values: Mapping[Component, Value], model: str) -> dict[str, object]:
        """Those fields of `EditOptions` that the controls ask for."""
        settings = {name: one.setting for name, one in self.controls.items()}
        own = asked_of(settings, {name: values.get(one.component) for name, one in self.controls.items()})
        own.pop(STEPS, None)
        fields: dict[str, object] = {
            name: settings[name].shown(own.pop(name)) for name in ("guidance", PUBLISHED) if name in own
        }
        if STEPS in self.controls:
            # what is seen is taken, and not the editor's own number: a model may need fewer
            steps = whole(values.get(self.controls[STEPS].component))
            fields[STEPS] = None if steps == self.steps(model, fields) else steps
        return fields | {"set": tuple(f"{name}={text}" for name, text in own.items())}

    def steps(self, model: str, fields: Mapping[str, object]) -> int:
        """How many are usual with a model, and with what else is asked for."""
        return _steps_of(self.listed, EditOptions(model=model, as_published=bool(fields.get(PUBLISHED))))

    def renewed(self, values: Mapping[Component, Value], model: str) -> dict[Component, Value]:
        """The steps that are usual now, where a number is shown that is usual with another model.

        It may have been typed: nobody can tell.
        """
        if STEPS not in self.controls:
            return {}
        component, own = self.controls[STEPS].component, self.controls.get(PUBLISHED)
        usual = self.steps(model, {PUBLISHED: own is not None and values.get(own.component)})
        known = {_steps_of(self.listed, EditOptions(as_published=published)) for published in (True, False)}
        shown = whole(values.get(component))
        return {component: usual} if shown in known and shown != usual else {}

    def shown(self, options: EditOptions) -> dict[Component, Value]:
        """What the controls show for these options; defaults for what they do not ask for."""
        given = alone(options)
        found: dict[Component, Value] = {one.component: one.setting.usual for one in self.controls.values()}
        for name, text in given.items():
            if name in self.controls:
                found[self.controls[name].component] = self.controls[name].setting.shown(text)
        if STEPS in self.controls and STEPS not in given:
            found[self.controls[STEPS].component] = _steps_of(self.listed, options)
        if options.guidance is not None and "guidance" in self.controls:
            found[self.controls["guidance"].component] = options.guidance
        if PUBLISHED in self.controls and options.as_published:
            found[self.controls[PUBLISHED].component] = True
        return found


def alone(options: EditOptions) -> dict[str, str]:
    """What `--set` asks by the settings' names, without the editor's: the form has one editor.

    What a comparison asks of one of its editors is nothing that the form can ask.
    """
    parts = [one.partition("=") for one in options.set]
    return {
        name.rpartition(".")[2]: text
        for name, equals, text in parts
        if equals and not (options.compare and "." in name)
    }


def editor_controls(editor: Listed, options: EditOptions, *, visible: bool) -> EditorControls:
    """The group of an editor: its first settings side by side, the others folded below.

    At first they show the defaults, and the steps that these options take.
    """
    settings = settings_of(editor)
    if STEPS in settings:
        steps = _steps_of(editor, options)
        settings[STEPS] = settings[STEPS].model_copy(update={"default": steps})
    names = list(settings)
    controls: dict[str, Control] = {}
    with gr.Group(visible=visible, elem_classes="fw-editor") as group:
        for first in range(0, _SHOWN, 2):
            with gr.Row():
                for name in names[first : first + 2]:
                    controls[name] = control_of(name, settings[name])
        if rest := names[_SHOWN:]:
            with gr.Accordion(_folded(len(rest), editor.editor), open=False):
                for first in range(0, len(rest), 2):
                    with gr.Row():
                        for name in rest[first : first + 2]:
                            controls[name] = control_of(name, settings[name])
    return EditorControls(editor, group, controls)


def sampler_choices(editor: Listed) -> list[tuple[str, str]]:
    """Titles and values of what an editor can sample with; at first its usual sampler."""
    return [(f"usual ({editor.samplers[0]})", OWN), *((name, name) for name in editor.samplers)]


def _folded(count: int, editor: str) -> str:
    return f"{count} more setting{'' if count == 1 else 's'} of {editor}"


def _steps_of(editor: Listed, options: EditOptions) -> int:
    return options.steps_for(editor.editor, int(str(settings_of(editor)[STEPS].default)))
