"""The form of an edit: its controls in their places, what they ask for, and how an earlier run fills them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import get_args

import gradio as gr
from gradio.components import Component

from frameweave.app.job import Asked
from frameweave.app.options import AppOptions
from frameweave.app.page.controls import Value
from frameweave.app.page.editors import EditorControls, editor_controls
from frameweave.app.page.fields import (
    Plain,
    as_is,
    joined,
    lines,
    or_zero,
    positive,
    text,
    ticked,
    whole,
    written,
)
from frameweave.editing.listed import Listed, listed
from frameweave.editing.options import Dtype, EditOptions
from frameweave.errors import InputError

LONGEST = 2000
"""Letters of a prompt; the browser keeps to it, and the server checks it."""
OWN = ""
"""The value of a choice that leaves the choice to the program."""
_MODEL = 'The packaged "miniature", a diffusers folder, a safetensors file, or owner/name on the hub.'
_ADAPTOR = "A folder that a training wrote. The model miniature has one of its own."
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

    def field(self, name: str) -> Component:
        """The control of a field of `EditOptions`."""
        return next(one.component for one in self.plain if one.name == name)

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
        given |= self.editors[editor].asked(values)
        given |= {one.name: one.read(values[one.component]) for one in self.plain}
        if not given.get("adaptor"):
            given["adaptor_strength"] = None
        given |= _range(times, whole(values[self.first]), whole(values[self.last]))
        return EditOptions(**{name: value for name, value in given.items() if value is not None})

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


def prompt_box() -> gr.Textbox:
    """The one control that nobody can leave out."""
    return gr.Textbox(
        label="Prompt",
        info="What the video shall show.",
        placeholder="a red car in the snow",
        lines=2,
        max_lines=6,
        max_length=LONGEST,
        elem_id="fw-prompt",
    )


def sampler_choices(editor: Listed) -> list[tuple[str, str]]:
    """What an editor can sample with; at first its usual sampler."""
    usual, *others = editor.samplers
    return [(f"usual ({usual})", OWN), *((name, name) for name in (usual, *others))]


@dataclass
class Building:
    """Places the controls in the layout that is open, section by section."""

    options: AppOptions
    adaptors: Sequence[tuple[str, str]]
    """Titles and folders of those that can be chosen."""

    def __post_init__(self) -> None:
        self.known = {one.editor: one for one in listed()}
        self.plain: list[Plain] = []

    def editor(self) -> tuple[gr.Dropdown, dict[str, EditorControls]]:
        """The choice, the seed, and a group of controls for each editor."""
        usual = EditOptions.model_fields["editor"].default
        with gr.Row():
            choice = gr.Dropdown(
                list(self.known),
                value=usual,
                label="Editor",
                info=self.known[usual].what,
                min_width=200,
                scale=2,
                elem_id="fw-editor",
            )
            self._add(
                "seed", gr.Number(0, label="Seed", info="-1 draws one.", precision=0, min_width=120), whole
            )
        editors = {
            name: editor_controls(editor, visible=name == usual) for name, editor in self.known.items()
        }
        return choice, editors

    def prompts(self) -> gr.Textbox:
        """Further prompts, and what is known beside them."""
        more = gr.Textbox(
            label="Further prompts", info="One a line. Each gives a result of its own.", lines=2, max_lines=8
        )
        self._add(
            "source_prompt",
            gr.Textbox(
                label="What the clip shows", info="Helps editors that invert the clip.", max_length=LONGEST
            ),
            text,
            written,
        )
        self._add(
            "negative_prompt",
            gr.Textbox(label="Negative prompt", info="What the video shall not show.", max_length=LONGEST),
            text,
            written,
        )
        return more

    def model(self) -> tuple[gr.Dropdown, gr.Dropdown]:
        """Model, adaptor and sampler; the last two are given back."""
        models = list(dict.fromkeys(("miniature", self.options.model)))
        self._add(
            "model",
            gr.Dropdown(
                models, value=self.options.model, label="Model", info=_MODEL, allow_custom_value=True
            ),
            text,
            written,
        )
        adaptor = gr.Dropdown(
            self.adaptors, value=OWN, label="Adaptor", info=_ADAPTOR, allow_custom_value=True
        )
        self._add("adaptor", adaptor, text, written)
        with gr.Row():
            self._add(
                "adaptor_strength",
                gr.Number(
                    None,
                    label="Adaptor strength",
                    info="Empty: its own.",
                    minimum=0,
                    maximum=2,
                    min_width=200,
                ),
                positive,
            )
            usual = self.known[EditOptions.model_fields["editor"].default]
            sampler = gr.Dropdown(
                sampler_choices(usual),
                value=OWN,
                label="Sampler",
                info="As the editor allows.",
                allow_custom_value=True,  # the choices follow the editor
                min_width=200,
            )
            self._add("sampler", sampler, text, written)
        with gr.Row():
            self._add(
                "size",
                gr.Number(
                    None,
                    label="Longer side, pixels",
                    info="Empty: the model's own.",
                    precision=0,
                    minimum=8,
                    min_width=200,
                ),
                whole,
            )
            self._add(
                "dtype",
                gr.Dropdown(
                    list(get_args(Dtype)),
                    value=self.options.dtype,
                    label="Precision",
                    info="fp16 halves the memory on a GPU.",
                    min_width=200,
                ),
                text,
            )
        return adaptor, sampler

    def extras(self) -> None:
        """What other programs made, and how steady the result shall be."""
        self._add(
            "lora",
            gr.Textbox(
                label="LoRAs",
                lines=1,
                max_lines=6,
                info="One a line: a file, or owner/name on the hub; @0.8 behind it is its strength.",
            ),
            lines,
            joined,
        )
        self._add(
            "control",
            gr.Textbox(
                label="ControlNets",
                lines=1,
                max_lines=6,
                info="One a line, such as depth=owner/name or canny=FILE; @0.7 behind it is its scale.",
            ),
            lines,
            joined,
        )
        self._add(
            "embedding",
            gr.Textbox(
                label="Textual inversions",
                lines=1,
                max_lines=6,
                info="One a line: a file, or owner/name on the hub. Its word is the file's name.",
            ),
            lines,
            joined,
        )
        self._add(
            "compare",
            gr.Checkbox(
                False,
                label="Compare all editors",
                info="Every editor, without and with the adaptor. One prompt.",
            ),
            ticked,
        )
        self._add(
            "steady",
            gr.Slider(
                0,
                1,
                0,
                step=0.05,
                label="Steadier",
                info="Average what the edit has changed along the clip's motion. 0: not at all.",
            ),
            positive,
            or_zero,
        )

    def _add(
        self,
        name: str,
        component: Component,
        read: Callable[[Value], object],
        show: Callable[[object], Value] = as_is,
    ) -> None:
        self.plain.append(Plain(name, component, read, show))
