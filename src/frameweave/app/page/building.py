"""The form of an edit, built: its controls in their places, section by section."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import gradio as gr
from gradio.components import Component

from frameweave.app.loading import after_the_worker
from frameweave.app.options import AppOptions
from frameweave.app.page.controls import Value
from frameweave.app.page.editors import EditorControls, editor_controls, sampler_choices
from frameweave.app.page.fields import (
    OWN,
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
from frameweave.app.page.form import LONGEST
from frameweave.app.page.given import anchors_of, shown_anchors
from frameweave.app.uploads import Uploads
from frameweave.editing.listed import known, listed, names
from frameweave.editing.model_options import Dtype
from frameweave.editing.options import EditOptions

_MODEL = 'The packaged "miniature", a diffusers folder, a safetensors file, or owner/name on the hub.'
_ADAPTOR = "A packaged one, or a folder that a training wrote. The packaged ones fit the model miniature."


def prompt_box() -> gr.Textbox:
    """The one control that nobody can leave out."""
    return gr.Textbox(
        label="Prompt",
        placeholder="a red car in the snow",
        lines=2,
        max_lines=6,
        max_length=LONGEST,
        elem_id="fw-prompt",
    )


def quiet(text: str) -> gr.HTML:
    """A sentence between the controls."""
    return gr.HTML(f'<p class="fw-quiet">{text}</p>', apply_default_css=False, padding=False)


@dataclass
class Building:
    """Places the controls in the layout that is open, section by section."""

    options: AppOptions
    adaptors: Sequence[tuple[str, str]]
    """Titles and folders of those that can be chosen."""
    uploads: Uploads

    def __post_init__(self) -> None:
        if any(known(name) is None for name in names()):
            after_the_worker()  # an editor must be asked itself
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
        asked = EditOptions(model=self.options.model)
        editors = {
            name: editor_controls(editor, asked, visible=name == usual) for name, editor in self.known.items()
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
                gr.Textbox(label="Adaptor strength", placeholder="its own", min_width=200),
                text,
                written,
            )
            usual = self.known[EditOptions.model_fields["editor"].default]
            sampler = gr.Dropdown(
                sampler_choices(usual),
                value=OWN,
                label="Sampler",
                allow_custom_value=True,  # the choices follow the editor
                min_width=200,
            )
            self._add("sampler", sampler, text, written)
        with gr.Row():
            self._add(
                "size",
                gr.Textbox(label="Longer side, pixels", placeholder="the model's own", min_width=200),
                text,
                written,
            )
            self._add(
                "dtype",
                gr.Dropdown(
                    list(get_args(Dtype)),
                    value=self.options.dtype,
                    label="Precision",
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
                info="Without and with the adaptor. Takes one prompt.",
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

    def anchors(self) -> gr.File:
        """Frames of the clip that were edited elsewhere; the control that takes them is given back."""
        quiet("Edit a frame of the clip in any program, and give it here. The others follow it.")
        file = gr.File(
            label="Edited frames",
            file_count="multiple",
            file_types=["image"],
            height=120,
            elem_id="fw-anchor-file",
            elem_classes="fw-drop",
        )
        box = gr.Textbox(
            label="Which frames they are",
            info="One a line: the frame's number, the first is 1, and the picture.",
            placeholder="40: frame.png",
            lines=1,
            max_lines=6,
        )
        self._add("anchor", box, lambda value: anchors_of(value, self.uploads), shown_anchors)
        return file

    def _add(
        self,
        name: str,
        component: Component,
        read: Callable[[Value], object],
        show: Callable[[object], Value] = as_is,
    ) -> None:
        self.plain.append(Plain(name, component, read, show))
