"""frameweave rerun."""

from pathlib import Path
from typing import Any

from frameweave.cli.demo import demo
from frameweave.cli.edit import edit
from frameweave.cli.generate import generate
from frameweave.cli.train import train_stages
from frameweave.editing.options import DemoOptions, EditOptions, GenerateOptions
from frameweave.errors import InputError
from frameweave.runs.run import read_run
from frameweave.training.options import TrainOptions

_KINDS = {"edit": EditOptions, "generate": GenerateOptions, "demo": DemoOptions, "train": TrainOptions}
_AGAIN = {
    "grid": "it goes on by itself",
    "ablation": "it goes on by itself",
    "tune": "it goes on by itself",
    "evaluate": "with --overwrite",
}
"""Commands that are given once more instead, and what happens then."""


def rerun(run: Path, /, *, out: Path | None = None, overwrite: bool = False) -> None:
    """Repeat a run of edit, generate, demo or train from its run.toml.

    Example: `frameweave rerun runs/edit/run.toml --out runs/again`.

    Parameters
    ----------
    run
        A run.toml, or the run folder that holds it.
    out
        Another run folder; default: the one that the run used.
    overwrite
        Replace an earlier run in that folder; a training run goes on instead.
    """
    tables = read_run(run)
    command = tables.get("command", "")
    if command in _AGAIN:
        raise InputError(
            f"{run}: a run of {command}, rerun repeats {', '.join(_KINDS)}",
            hint=f"give the `frameweave {command}` command again with the same options: {_AGAIN[command]}",
        )
    if command not in _KINDS:
        raise InputError.unknown(f"command in {run}:", str(command), list(_KINDS))
    options = _KINDS[command].of_table(tables.get("settings", {}), where=str(run))
    options = options.replaced(out=out or options.out)
    if not isinstance(options, TrainOptions):
        options = options.replaced(overwrite=overwrite)
    match options:
        case EditOptions():
            edit(Path(_given(tables, "video", run)), *_given(tables, "prompts", run), options=options)
        case GenerateOptions():
            generate(_given(tables, "prompt", run), options=options)
        case TrainOptions():
            train_stages(tuple(_given(tables, "stages", run)), options)
        case DemoOptions():
            demo(options=options)


def _given(tables: dict[str, Any], name: str, run: Path) -> Any:
    """What the run was given beside its settings. Raises `InputError` when the file does not say it."""
    found = tables.get("input", {}).get(name)
    if not found:
        raise InputError(
            f"{run}: no {name} in its [input]",
            hint="give the run.toml of a run folder; `frameweave train` takes a preset with --from",
        )
    return found
