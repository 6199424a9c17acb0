"""What is known of the editors without importing them, which takes torch and seconds.

`editors.json` beside this file is written by `make reference`. Of an editor whose file has changed since, and
of those that other packages bring, the class itself is asked.
"""

import hashlib
import inspect
import json
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

from pydantic import Field, JsonValue

from frameweave.editors.own import FOLDER, GROUP, own_names
from frameweave.runs.records import JsonObject, Record

FILE = Path(__file__).with_name("editors.json")


Value = str | float | bool | None
"""A setting's value in a form of the app; None where it was left empty."""


class Listed(Record):
    """An editor: its name, what it does, its samplers (the usual one first), its settings' JSON schema."""

    editor: str
    what: str
    samplers: tuple[str, ...]
    settings: JsonObject
    source: str = ""
    """What its file held when this was written."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of its settings."""
        found = self.settings.get("properties")
        return tuple(found) if isinstance(found, dict) else ()


class Setting(Record):
    """What the JSON schema says of one setting."""

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


def names() -> list[str]:
    """The names of all editors; none is imported."""
    own = own_names()
    return [*own, *sorted({one.name for one in entry_points(group=GROUP)} - set(own))]


def known(name: str) -> Listed | None:
    """What is written of an editor; None where it must be asked itself."""
    found = _written().get(name)
    return found if found is not None and found.source == _source(name) else None


def listed() -> list[Listed]:
    """All editors: those of this package, then those of others."""
    own = own_names()
    found = [known(name) or described(name) for name in own]
    if entry_points(group=GROUP):
        from frameweave.editors import registry

        found += [described(name) for name in registry.names() if name not in own]
    return found


def described(name: str) -> Listed:
    """What an editor says of itself."""
    from frameweave.editors import registry

    kind = registry.load(name)
    what = " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())
    return Listed(
        editor=name,
        what=what,
        samplers=tuple(registry.make(name, {}).samplers),
        settings=kind.model_json_schema(),
        source=_source(name),
    )


def written(editors: Sequence[Listed]) -> str:
    """What `editors.json` holds of them."""
    lines = [one.model_dump(mode="json") for one in editors]
    return json.dumps(lines, indent=1, ensure_ascii=False) + "\n"


def _written() -> dict[str, Listed]:
    if not FILE.exists():
        return {}
    found = [Listed.model_validate(line) for line in json.loads(FILE.read_text(encoding="utf-8"))]
    return {one.editor: one for one in found}


def _source(name: str) -> str:
    """What the files hold that an editor's settings are written in: its own, and those of several editors."""
    files = (FOLDER / f"{one}.py" for one in ("base", "_parts/growing", name))
    held = [file.read_bytes() for file in files if file.exists()]
    return hashlib.sha256(b"\0".join(held)).hexdigest()[:16]
