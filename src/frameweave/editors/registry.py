"""Which editors there are, by name, and what each can be asked for."""

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from inspect import isabstract
from typing import Any

from pydantic import JsonValue

from frameweave.diffusion.samplers.names import SAMPLERS, SamplerName
from frameweave.diffusion.samplers.sampler import Sampler
from frameweave.editors.base import Editor, OnlyFromSource, OnlyFromText
from frameweave.editors.own import GROUP, own_names
from frameweave.errors import InputError, in_one_line
from frameweave.runs.asked import asked_by_editor
from frameweave.runs.explained import unknown_setting
from frameweave.runs.plugins import Plugin, plugged_in


def names() -> list[str]:
    """All editors: the files of this folder, then those that other packages bring."""
    return [*own_names(), *sorted(_plugins())]


def load(name: str) -> type[Editor]:
    """The editor class of that name: the one public editor that its module defines.

    Raises `InputError` with the nearest name when there is none. Other packages are imported only when the
    name is none of ours.
    """
    if name not in own_names():
        if name not in _plugins():
            raise InputError.unknown("editor", name, names())
        return _plugins()[name]
    module = importlib.import_module(f"{__package__}.{name}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Editor) and value.__module__ == module.__name__
    ]
    assert len(found) == 1, f"{module.__name__} must define exactly one editor"
    return found[0]


def make(name: str, settings: Mapping[str, Any]) -> Editor:
    """An editor with those settings; None means its default, and text is read as the setting's type.

    Raises `InputError` for an unknown editor, an unknown setting, and a value that makes no sense.
    """
    kind, given = load(name), {key: value for key, value in settings.items() if value is not None}
    for key in given:
        if key not in kind.model_fields:
            raise unknown_setting(f"setting of {name}", key, list(kind.model_fields))
    return kind(**given)


def asked_of_each(editors: Sequence[str], texts: Sequence[str]) -> dict[str, dict[str, JsonValue]]:
    """By editor, the settings that texts ask of it, as JSON holds them.

    "chunk_size=4" is meant for every editor that has the setting, "tokenflow.chunk_size=4" for one.
    Raises `InputError` for a setting that none of the editors has, and for a value that makes no sense.
    """
    asked = asked_by_editor({name: load(name).model_fields for name in editors}, texts)
    made = {name: make(name, given).table() for name, given in asked.items()}
    return {name: {key: made[name][key] for key in given} for name, given in asked.items()}


def texts_for(editor: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Those of `texts` that ask something of this editor; see `asked_of_each`."""
    split = [(text, *text.partition("=")[0].rpartition(".")[::2]) for text in texts]
    return tuple(text for text, of, own in split if of in ("", editor) and own in load(editor).model_fields)


def check_acting(editor: Editor, asked: Mapping[str, JsonValue], *, sees_source: bool) -> None:
    """Raise `InputError` for a setting that is asked for, is not the default, and does nothing."""
    for name, needed in editor.idle(asked):
        ways = [
            f"{way.setting}={str(way.values[0]).lower()}" if way.values else way.setting
            for way in needed.ways
        ]
        raise InputError(
            f"{name} acts with {' or '.join(ways)} only", hint=f"give --set {ways[0]}, or leave {name} out"
        )
    for name in asked:
        field, value = type(editor).model_fields[name], getattr(editor, name)
        if sees_source and OnlyFromText() in field.metadata and value != field.default:
            raise InputError(
                f"{name} acts in clips from text only", hint="leave it out, or use frameweave generate"
            )
        if not sees_source and any(
            isinstance(m, OnlyFromSource) and m.value == value for m in field.metadata
        ):
            raise InputError(
                f"{name}={value} needs a source, clips from text have none",
                hint=f"leave {name} out, or use frameweave edit",
            )


def check_acting_in_some(
    editors: Mapping[str, Editor], asked: Mapping[str, Mapping[str, JsonValue]], *, sees_source: bool = True
) -> None:
    """The same of several editors: what is `asked` of them by name must do something in one of them."""
    wrong = dict[str, list[InputError | None]]()
    for name, settings in asked.items():
        for setting, value in settings.items():
            try:
                check_acting(editors[name], {setting: value}, sees_source=sees_source)
            except InputError as error:
                wrong.setdefault(setting, []).append(error)
            else:
                wrong.setdefault(setting, []).append(None)
    for errors in wrong.values():
        if None not in errors and errors[0] is not None:
            raise errors[0]


def samplers_of(editor: Editor, *, sees_source: bool = True) -> tuple[SamplerName, ...]:
    """The samplers of an editor; without a source its settings about one say nothing."""
    free = not sees_source and not getattr(editor, "as_published", False)
    return SAMPLERS if free else editor.samplers


def check_sampler(editor: Editor, sampler: Sampler, *, sees_source: bool = True) -> None:
    """Raise `InputError` for a sampler that the editor cannot use, or not in that way."""
    allowed, inverts = samplers_of(editor, sees_source=sees_source), sees_source and editor.inverts
    own = "its published program has its own" if getattr(editor, "as_published", False) else "it has its own"
    hint = "take what `frameweave editors NAME` lists"
    if sampler.name not in allowed:
        reason = ": it draws noise anew, which is none of the source's" if inverts and sampler.draws else ""
        wrong = f"sampler {sampler.name}, expected {' or '.join(allowed)}{reason}"
        takers = [name for name in names() if sampler.name in samplers_of(make(name, {}))]
        hint = f"editors that take it: {', '.join(takers)}" if takers else hint
    elif inverts and sampler.draws:
        wrong = f"eta {sampler.eta}, expected 0: fresh noise is none of the source's inversion"
    elif sampler.eta and not editor.takes_eta:
        wrong = f"eta {sampler.eta}, expected 0: its noise is always fresh"
    elif sampler.spacing is not None and not editor.takes_spacing:
        wrong = f"spacing {sampler.spacing}, expected none: {own}"
    elif sampler.guidance_rescale and not editor.takes_guidance_rescale:
        wrong = f"guidance_rescale {sampler.guidance_rescale:g}, expected 0"
    else:
        return
    raise InputError(f"{name_of(editor)} with the {wrong}", hint=hint)


def name_of(editor: Editor) -> str:
    """The name under which it is listed."""
    return next((name for name in names() if load(name) is type(editor)), type(editor).__name__)


def _plugins() -> dict[str, type[Editor]]:
    """The editors of other packages."""
    return {name: plugin.thing for name, plugin in _plugged().items()}


@cache
def _plugged() -> dict[str, Plugin[type[Editor]]]:
    return plugged_in(GROUP, "editor", own_names(), _editor_class)


def package_of(name: str) -> str:
    """Name and version of the package that brings an editor; empty for our own, without a look at others."""
    if name in own_names():
        return ""
    found = _plugged().get(name)
    return "" if found is None else found.version or "a package that does not say its version"


def _editor_class(kind: object) -> type[Editor] | str:
    if not isinstance(kind, type) or not issubclass(kind, Editor) or isabstract(kind):
        return "no frameweave Editor with an edit"
    try:
        kind()
        kind.model_json_schema()
    except Exception as error:  # other people's code
        return f"an Editor that cannot be made by its defaults ({in_one_line(error)})"
    return kind
