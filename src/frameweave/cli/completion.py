"""What the shell proposes for a flag: editors, adaptors and presets. Nothing heavy is imported for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:  # pydantic must not slow --help
    from frameweave.runs.again.presets import Presets


@runtime_checkable
class Typed(Protocol):
    """What was typed so far; cyclopts gives it."""

    @property
    def incomplete(self) -> str: ...


Completer = Callable[[Typed], Sequence[str]]


def presets(known: Presets) -> Completer:
    """Presets, and runs below this folder."""

    def names(_context: Typed) -> Sequence[str]:
        return [*known.names(), *map(str, sorted(run.parent for run in Path().glob("runs/*/run.toml")))]

    return names


def _of_trainings(context: Typed) -> Sequence[str]:
    from frameweave.training.presets import PRESETS

    return presets(PRESETS)(context)


def _editors(context: Typed) -> Sequence[str]:
    from frameweave.editing.listed import names  # it takes longer than all else here

    return names()


def _adaptors(context: Typed) -> Sequence[str]:
    """The packaged ones, those of trainings below this folder, and folders that begin as was typed."""
    from frameweave.adaptor.packaged import PACKAGED

    typed = Path(context.incomplete)
    place = typed if context.incomplete.endswith("/") else typed.parent
    folders = [f"{one}/" for one in sorted(place.iterdir()) if one.is_dir()] if place.is_dir() else []
    return [*PACKAGED, *map(str, sorted(Path().glob("runs/*/adaptor"))), *folders]


_OF_SETTINGS: dict[str, Completer] = {
    "editor": _editors,
    "editors": _editors,
    "adaptor": _adaptors,
    "full": _adaptors,
    "preset": _of_trainings,
}


def of_setting(name: str) -> Completer | None:
    """What is proposed for the setting of this name, in whichever command."""
    return _OF_SETTINGS.get(name)


def of_input(name: str, kind: type) -> Completer | None:
    """What is proposed for an input; paths are completed by the shell itself."""
    return None if kind is Path else _OF_SETTINGS.get(name)
