"""A control for each setting of an editor, made from the JSON schema of its settings."""

from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr
from gradio.components import FormComponent
from pydantic import Field, JsonValue

from frameweave.editing.listed import Listed
from frameweave.runs.records import Record

Value = str | float | bool | None
"""What a control holds; None for one that was left empty."""


class Setting(Record):
    """What the schema says of one setting."""

    type: str = "string"
    default: JsonValue = None
    description: str = ""
    enum: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    @property
    def about(self) -> str:
        return " ".join(self.description.replace("`", "").split())

    @property
    def usual(self) -> Value:
        """The default, as a control shows it."""
        if isinstance(self.default, list):
            return ",".join(map(str, self.default))
        return self.default if isinstance(self.default, str | float | int | bool) else None

    def text(self, value: Value) -> str:
        """A value as `--set` takes it."""
        if self.type == "boolean":
            return "true" if value else "false"
        if self.type == "integer" and isinstance(value, float | int):
            return str(round(value))
        if isinstance(value, float | int):
            return f"{value:.6g}"
        return (value or "").replace(" ", "")

    def asked(self, value: Value) -> str | None:
        """The same; None where it is the default. What was left empty is the default."""
        if value is None or value == "":
            return None
        text = self.text(value)
        return None if text == self.text(self.usual) else text

    def shown(self, text: str) -> Value:
        """What a control shows for such a text."""
        if self.type == "boolean":
            return text.strip().lower() in ("true", "1", "yes", "on")
        return float(text) if self.type in ("integer", "number") else text


class _Schema(Record):
    properties: dict[str, Setting] = Field(default_factory=dict[str, Setting])


def settings_of(editor: Listed) -> dict[str, Setting]:
    """The settings of an editor by name, in the order in which its class has them."""
    return _Schema.model_validate(editor.settings).properties


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
    """A control that fits the setting's type and range. Made inside a layout of Gradio, it stands there."""
    low, high, usual = setting.minimum, setting.maximum, setting.usual
    number = float(usual) if isinstance(usual, float | int) else None
    text = "" if usual is None else str(usual)
    label, info, width = title_of(name), setting.about, 200
    match setting.type:
        case "boolean":
            shown: FormComponent = gr.Checkbox(bool(usual), label=label, info=info, min_width=width)
        case "integer":
            shown = gr.Number(
                number, label=label, info=info, precision=0, minimum=low, maximum=high, min_width=width
            )
        case "number" if low is not None and high is not None:
            shown = gr.Slider(low, high, number, step=0.01, label=label, info=info, min_width=width)
        case "number":
            shown = gr.Number(number, label=label, info=info, minimum=low, min_width=width)
        case _ if setting.enum:
            shown = gr.Dropdown(list(setting.enum), value=text, label=label, info=info, min_width=width)
        case _:
            shown = gr.Textbox(text, label=label, info=info, min_width=width)
    return Control(setting, shown)


def asked_of(settings: Mapping[str, Setting], values: Mapping[str, Value]) -> dict[str, str]:
    """As `--set` takes them, by name, those values that are not the defaults."""
    asked = {name: setting.asked(values.get(name)) for name, setting in settings.items()}
    return {name: text for name, text in asked.items() if text is not None}
