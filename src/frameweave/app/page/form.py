"""The form of an edit: what its controls ask for, and how an earlier run fills them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path

import gradio as gr
from gradio.components import Component

from frameweave.app.job import Asked
from frameweave.app.options import CHOSEN
from frameweave.app.page.controls import Value
from frameweave.app.page.editors import EditorControls, alone
from frameweave.app.page.fields import Plain, lines, text, whole
from frameweave.editing.options import EditOptions
from frameweave.errors import InputError

LONGEST = 2000
"""Letters of a prompt; the browser keeps to it, and the server checks it."""
Values = Mapping[Component, Value]


@dataclass(frozen=True)
class Form:
    """The controls. `values` are what they hold, by control."""

    prompt: gr.Textbox
    more: gr.Textbox
    """Further prompts, one a line."""
    editor: gr.Dropdown
    sampler: gr.Dropdown
    adaptor: gr.Dropdown
    editors: Mapping[str, EditorControls]
    plain: Sequence[Plain]
    first: gr.Slider
    last: gr.Slider

    @property
    def components(self) -> list[Component]:
        """All that hold a value."""
        own = [one.component for editor in self.editors.values() for one in editor.controls.values()]
        fields = [one.component for one in self.plain]
        return [self.prompt, self.more, self.editor, self.first, self.last, *fields, *own]

    def controls(self, name: str) -> list[Component]:
        """Those of all editors for a setting of that name."""
        own = (editor.controls.get(name) for editor in self.editors.values())
        return [one.component for one in own if one is not None]

    def field(self, name: str) -> Component:
        """The control of a field of `EditOptions`."""
        return next(one.component for one in self.plain if one.name == name)

    def model(self, values: Values) -> str:
        """The model that is asked for."""
        return text(values[self.field("model")]) or EditOptions().model

    def prompts(self, values: Values) -> list[str]:
        """Each prompt. Raises `InputError` for one that is too long."""
        found = [text(values[self.prompt]) or "", *(lines(values[self.more]) or ())]
        for prompt in found:
            if len(prompt) > LONGEST:
                raise InputError(f"a prompt of {len(prompt)} letters, expected at most {LONGEST}")
        return found

    def options(self, values: Values, times: Sequence[Fraction], mask: Path | None) -> EditOptions:
        """What is asked for; `times` are those of the clip's frames. Raises `InputError`."""
        editor = str(values[self.editor])
        if editor not in self.editors:
            raise InputError.unknown("editor", editor, list(self.editors))
        given: dict[str, object] = {"editor": editor, "mask": mask}
        given |= self.editors[editor].asked(values, self.model(values))
        given |= {one.name: one.read(values[one.component]) for one in self.plain}
        given |= _range(times, whole(values[self.first]), whole(values[self.last]))
        return EditOptions.of_table({name: one for name, one in given.items() if one is not None})

    def shown(self, asked: Asked, times: Sequence[Fraction]) -> dict[Component, Value]:
        """What every control shows for an earlier edit of a clip whose frames have these times."""
        options = asked.options
        assert isinstance(options, EditOptions)
        found: dict[Component, Value] = {
            self.prompt: asked.prompts[0],
            self.more: "\n".join(asked.prompts[1:]),
            self.editor: options.editor,
        }
        for editor in self.editors.values():
            own = options if editor.listed.editor == options.editor else EditOptions()
            found |= editor.shown(own)
        found |= {one.component: one.show(getattr(options, one.name)) for one in self.plain}
        first, last = _numbers(times, options)
        return found | {self.first: first, self.last: last}

    def left_out(self, asked: Asked, times: Sequence[Fraction]) -> list[str]:
        """The names of settings of an earlier edit that an edit by this form would not have."""
        options = asked.options
        assert isinstance(options, EditOptions)
        form = self.options(self.shown(asked, times), times, options.mask)
        before, again = (self._compared(one, times) for one in (options, form))
        names = sorted(before.keys() | again.keys())
        return [name for name in names if name not in CHOSEN and before.get(name) != again.get(name)]

    def _compared(self, options: EditOptions, times: Sequence[Fraction]) -> dict[str, object]:
        """What the options ask for, whatever way they say it: the form has other words for some."""
        found: dict[str, object] = options.table()
        found["start"], found["end"] = _numbers(times, options)
        found["set"] = sorted(options.set) if options.compare else alone(options)
        if options.editor in self.editors:
            own = self.editors[options.editor]
            found["steps"] = options.steps or own.steps(options.model, found)
        return found


def _range(times: Sequence[Fraction], first: int | None, last: int | None) -> dict[str, float]:
    """The frames from number `first` to `last`, counted from 1, as times; nothing for all of them."""
    count = len(times)
    first, last = max(1, first or 1), min(count, last or count)
    if last < first:
        raise InputError(
            f"a range from frame {first} to frame {last}", hint="move the last frame behind the first one"
        )
    found = {"start": _before(times[first - 1])} if first > 1 else {}
    return found | ({"end": _before(times[last])} if last < count else {})


def _before(time: Fraction) -> float:
    """In whole milliseconds, not after it: a frame begins at or after its time."""
    return floor(time * 1000) / 1000


def _numbers(times: Sequence[Fraction], options: EditOptions) -> tuple[int, int]:
    low, high = options.start, options.end
    inside = [
        number
        for number, time in enumerate(times[: options.frames], 1)
        if (low is None or time >= Fraction(str(low))) and (high is None or time < Fraction(str(high)))
    ]
    return (inside[0], inside[-1]) if inside else (1, max(1, len(times)))
