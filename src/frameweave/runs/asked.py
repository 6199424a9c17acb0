"""Settings that are asked for in texts, such as "chunk_size=4"."""

from collections.abc import Collection, Mapping, Sequence

from frameweave.errors import InputError
from frameweave.runs.explained import unknown_setting


def asked_by_editor(known: Mapping[str, Collection[str]], texts: Sequence[str]) -> dict[str, dict[str, str]]:
    """By editor, what texts ask of it; `known` are the settings that each editor has.

    "chunk_size=4" is meant for every editor that has the setting, "tokenflow.chunk_size=4" for one.
    Raises `InputError` for a setting that none of the editors has.
    """
    asked: dict[str, dict[str, str]] = {name: {} for name in known}
    given: dict[str, str] = {}
    for text in sorted(texts, key=lambda text: "." in text.partition("=")[0]):  # of one editor's own counts
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text!r}, expected a name and a value", hint="write it as name=value")
        editor, dot, own = key.rpartition(".")
        if dot and editor not in known:
            raise InputError.unknown("editor", editor, list(known))
        meant = [editor] if dot else list(known)
        takers = [name for name in meant if own in known[name]]
        if not takers:
            every = sorted({field for name in meant for field in known[name]})
            raise unknown_setting(f"setting of {', '.join(meant)}", own, every)
        if given.setdefault(key, value) != value:
            raise InputError(f"--set {key}={given[key]} and --set {text}", hint="give it once")
        for name in takers:
            asked[name][own] = value
    return asked
