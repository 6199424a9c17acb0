"""What a row of the table of commands says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # pydantic must not slow --help
    from frameweave.runs.again.presets import Presets
    from frameweave.runs.settings import Settings


@dataclass(frozen=True)
class Required:
    """Stands where an input has no default."""


REQUIRED = Required()


@dataclass(frozen=True, kw_only=True)
class Input:
    """What a command takes by its place on the command line; run.toml keeps it by this name."""

    name: str
    help: str
    kind: type = Path
    """`Path`: a file or folder that must be there. `str`: a text or a name."""
    video: bool = False
    """Whether it is one that is read: what cannot be is told before anything heavy is imported."""
    many: bool = False
    """Whether it takes all that is left; then it is given as a tuple."""
    default: object = REQUIRED


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command: the command line, `rerun` and the reference page are made from it."""

    name: str
    group: str
    """Under which heading `--help` lists it."""
    help: str
    example: str
    work: str
    """The library function, as "module:function": called with the inputs, the settings and `progress`."""
    options: str = "frameweave.runs.settings:Settings"
    """The class of its settings, as "module:Class"."""
    needs: str = ""
    """The package of ours that names the extra which is missing; its `__init__` imports nothing heavy."""
    inputs: tuple[Input, ...] = ()
    result: str = "fields"
    """The function of `cli.results` that says what is told of the work's value."""
    run: str = ""
    """The command's name in run.toml; empty where no run file is written."""
    notes_run: bool = False
    """Whether run.toml is written here, and not by the work."""
    fixed: Mapping[str, object] = field(default_factory=dict[str, object])
    """Settings that the command's name decides; they are no flags."""
    short: Mapping[str, str] = field(default_factory=dict[str, str])
    """Flags that mean another setting here than their name says."""
    only_with: Mapping[str, str] = field(default_factory=dict[str, str])
    """Settings that count in one training stage only, by their names, and that stage."""
    explains: bool = False
    """Whether `--explain` prints the settings with where they come from."""

    @property
    def kind(self) -> type[Settings]:
        return resolved(self.options)

    @property
    def trains(self) -> bool:
        """Whether its settings are those of a training, which presets hold."""
        return bool(self.only_with)

    @property
    def presets(self) -> Presets | None:
        """Settings by name that it can start from."""
        if not self.trains and not self.takes_times:
            return None
        from frameweave.runs.again.presets import Presets

        return Presets("frameweave.training" if self.trains else "frameweave.editing")

    @property
    def takes_times(self) -> bool:
        """Whether `--from` and `--to` are times of the video."""
        return "start" in self.kind.model_fields


def resolved(where: str) -> Any:
    """What "module:name" names."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)
