"""The settings of a preset or of an earlier run."""

from importlib.resources import files
from pathlib import Path
from typing import cast

from frameweave.errors import InputError
from frameweave.runs.records import JsonObject
from frameweave.runs.run_file import run_file_of
from frameweave.runs.settings import read_toml

_PRESETS = files("frameweave.training") / "presets"


def presets() -> list[str]:
    """Names of the run files that ship in the package."""
    return sorted(path.name.removesuffix(".toml") for path in _PRESETS.iterdir() if path.name[0] != "_")


def settings_of(name: str, *, flag: str = "--from") -> tuple[JsonObject, str]:
    """The [settings] of a preset, a run.toml, or a run folder; and the file's name for messages.

    `flag` is where the name was given. Raises `InputError` when there is no such file, or it is no run file.
    """
    if name in presets():
        path = Path(str(_PRESETS / f"{name}.toml"))
    else:
        path = run_file_of(Path(name))
        if not path.is_file():
            raise InputError(
                f"{flag} {name}: no such file, and no preset", hint=f"presets are {', '.join(presets())}"
            )
    table = read_toml(path).get("settings")
    if not isinstance(table, dict):
        raise InputError(f"{path}: has no [settings]", hint="give a run.toml that frameweave wrote")
    return cast(JsonObject, table), str(path)


def provenance() -> dict[str, str]:
    """By setting of `frameweave train`: where in the paper it comes from, and what its readings are."""
    return {name: str(said) for name, said in read_toml(Path(str(_PRESETS / "_provenance.toml"))).items()}
