"""A control for each setting of an editor, made from the JSON schema of its settings."""

from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr
from gradio.components import FormComponent

from frameweave.editing.listed import Setting, Value


def title_of(name: str) -> str:
    """A setting's name as people read it.

    >>> title_of("start_sigma")
    'Start sigma'
    """
    return name.replace("_", " ").capitalize()


@dataclass(frozen=True)
class Control:
    """A setting and what shows it."""

    setting: Setting
    component: FormComponent


def control_of(name: str, setting: Setting) -> Control:
    """A control that fits the setting's type. Made inside a layout of Gradio, it stands there.

    Numbers out of range are told by the settings, with their names.
    """
    low, high, usual = setting.minimum, setting.maximum, setting.usual
    number = float(usual) if isinstance(usual, float | int) else None
    text = "" if usual is None else str(usual)
    label, info, width = title_of(name), setting.about, 200
    match setting.type:
        case "boolean":
            shown: FormComponent = gr.Checkbox(bool(usual), label=label, info=info, min_width=width)
        case "integer":
            shown = gr.Number(number, label=label, info=info, precision=0, min_width=width)
        case "number" if low is not None and high is not None:
            shown = gr.Slider(low, high, number, step=0.01, label=label, info=info, min_width=width)
        case "number":
            shown = gr.Number(number, label=label, info=info, min_width=width)
        case _ if setting.enum:
            shown = gr.Dropdown(list(setting.enum), value=text, label=label, info=info, min_width=width)
        case _:
            shown = gr.Textbox(text, label=label, info=info, min_width=width)
    return Control(setting, shown)


def asked_of(settings: Mapping[str, Setting], values: Mapping[str, Value]) -> dict[str, str]:
    """As `--set` takes them, by name, those values that are not the defaults."""
    asked = {name: setting.asked(values.get(name)) for name, setting in settings.items()}
    return {name: text for name, text in asked.items() if text is not None}
