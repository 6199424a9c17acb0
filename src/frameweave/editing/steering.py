"""ControlNets that are asked for: which editors can use them, and where their pictures come from."""

from collections.abc import Collection, Mapping
from typing import Any, Literal, get_args, get_origin

from frameweave.editors import registry
from frameweave.editors.base import Editor
from frameweave.errors import InputError
from frameweave.models.control.asked import DEPTH, all_asked, named
from frameweave.models.control.maps import MADE


def made_to_steer(name: str, settings: Mapping[str, Any]) -> Editor:
    """The editor of that name with a setting, if it needs one, that makes ControlNets steer it.

    Raises `InputError` when nothing does, or another value of that setting is asked for.
    """
    editor = registry.make(name, settings)
    if editor.needs_depth:
        return editor
    usual = registry.make(name, {})
    key, value = _switch(name) or ("", None)
    for asked in settings:
        steering = value if asked == key else getattr(usual, asked)
        if settings[asked] is not None and registry.make(name, {**settings, asked: steering}).needs_depth:
            raise InputError(
                f"{name} with {asked}={_said(getattr(editor, asked))} takes no ControlNet",
                hint=f"leave the ControlNet out, or give --set {asked}={_said(steering)}",
            )
    if not key:
        raise InputError(f"{name} takes no ControlNet", hint=f"leave the ControlNet out, or use {_takers()}")
    return registry.make(name, {**settings, key: value})


def switched_on(name: str, editor: Editor) -> str:
    """In words, the setting that makes ControlNets steer, if it is not the editor's usual value."""
    if editor.needs_depth and not registry.make(name, {}).needs_depth and (switch := _switch(name)):
        return f"{name} is edited with {switch[0]}={_said(switch[1])}, as ControlNets steer it"
    return ""


def check_pictures(
    controlnet: str | None, control: tuple[str, ...], given: Collection[str], *, made: bool = True
) -> None:
    """Every ControlNet asked for gets pictures, and every picture that is given has a ControlNet.

    `made` says whether there are frames to make pictures from. Raises `InputError` where that is not so.
    """
    kinds = [one.kind for one in all_asked(controlnet, control)] or [DEPTH]
    for kind in given:
        if kind not in kinds:
            raise InputError(
                f"--control-map {kind}: no ControlNet reads pictures of kind {kind}",
                hint=f"name one with --control {kind}=ID",
            )
    for kind in kinds:
        if kind in given or (kind in MADE and made):
            continue
        if control and not (kind == DEPTH and made):
            can = f"{DEPTH}, {', '.join(MADE)} are made from the video" if made else "there is no video"
            raise InputError(
                f"the ControlNet of kind {kind} needs pictures, which cannot be made here: {can}",
                hint=f"give them with --control-map {kind}=FILE",
            )


def kinds_of(texts: tuple[str, ...]) -> dict[str, str]:
    """`--control-map KIND=FILE` by kind. Raises `InputError` for another form, and for a kind given twice."""
    found: dict[str, str] = {}
    for text in texts:
        kind, file = named(text, flag="--control-map", todo="write KIND=FILE, such as canny=edges.mp4")
        if kind in found:
            raise InputError(f"--control-map {kind} is given twice", hint="give one file for each kind")
        found[kind] = file
    return found


def _switch(name: str) -> tuple[str, object] | None:
    """The first setting, with its value, that makes ControlNets steer an editor of the usual settings."""
    for key, field in registry.load(name).model_fields.items():
        kind = field.annotation
        values = get_args(kind) if get_origin(kind) is Literal else (True,) if kind is bool else ()
        for value in values:
            if value != field.default and registry.make(name, {key: value}).needs_depth:
                return key, value
    return None


def _takers() -> str:
    found: list[str] = []
    for name in registry.names():
        if registry.make(name, {}).needs_depth:
            found.append(name)
        elif switch := _switch(name):
            found.append(f"{name} ({switch[0]}={_said(switch[1])})")
    return ", ".join(found)


def _said(value: object) -> str:
    """A value as `--set` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
