"""Settings by name: those that ship in a package of ours, or those of an earlier run."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from frameweave.errors import InputError
from frameweave.runs.again.elsewhere import placed
from frameweave.runs.records import JsonObject
from frameweave.runs.run_file import run_file_of
from frameweave.runs.settings import read_toml


@dataclass(frozen=True)
class Presets:
    """The run files in a package's folder `presets`."""

    package: str

    @property
    def folder(self) -> Path:
        return Path(str(files(self.package))) / "presets"

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("[!_]*.toml"))

    def settings_of(self, name: str, *, flag: str = "--from") -> tuple[JsonObject, str]:
        """The [settings] of a preset, a run.toml, or a run folder; and the file's name for messages.

        `flag` is where the name was given. Raises `InputError` when there is no such file, or it is no run
        file.
        """
        file = self.folder / f"{name}.toml"
        path = file if name in self.names() else run_file_of(Path(name))
        if not path.is_file():
            raise InputError(
                f"{flag} {name}: no such file, and no preset", hint=f"presets are {', '.join(self.names())}"
            )
        table = read_toml(path)
        settings, environment = table.get("settings"), table.get("environment")
        if not isinstance(settings, dict):
            raise InputError(f"{path}: has no [settings]", hint="give a run.toml that frameweave wrote")
        return placed(settings, environment if isinstance(environment, dict) else {}), str(path)
