"""frameweave train: the stages of an adaptor."""

from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from frameweave.cli import console
from frameweave.training.options import PROVENANCE, TrainOptions

Options = Annotated[TrainOptions, Parameter(name="*")]
Explain = Annotated[bool, Parameter(negative="")]
From = Annotated[str | None, Parameter(name="--from")]
"""Read by `cli.main` before the command is: see `cli.run_files`."""


def depth(*, options: Options = TrainOptions(), explain: Explain = False, source: From = None) -> None:
    """Train the depth ControlNet (stage 1): the model's own, or a new one.

    Example: `frameweave train depth --out runs/train`.

    Parameters
    ----------
    explain
        Print each setting's value and where in the paper it comes from, and stop.
    source
        Start from the settings of a preset (paper, robust, refcode, miniature) or of a run.toml.
    """
    _run(("depth",), options, explain=explain, source=source)


def tokens(*, options: Options = TrainOptions(), explain: Explain = False, source: From = None) -> None:
    """Train the shared tokens and the projection of the unshared ones (stage 2).

    Example: `frameweave train tokens --out runs/train`.

    Parameters
    ----------
    explain
        Print each setting's value and where in the paper it comes from, and stop.
    source
        Start from the settings of a preset (paper, robust, refcode, miniature) or of a run.toml.
    """
    _run(("tokens",), options, explain=explain, source=source)


def lora(*, options: Options = TrainOptions(), explain: Explain = False, source: From = None) -> None:
    """Train the LoRA with the temporal loss (stage 3), with the tokens of an earlier stage if there are any.

    Example: `frameweave train lora --out runs/train --steps 1000`.

    Parameters
    ----------
    explain
        Print each setting's value and where in the paper it comes from, and stop.
    source
        Start from the settings of a preset (paper, robust, refcode, miniature) or of a run.toml.
    """
    _run(("lora",), options, explain=explain, source=source)


def every(*, options: Options = TrainOptions(), explain: Explain = False, source: From = None) -> None:
    """Train the stages that `stages` lists, in order.

    Example: `frameweave train all --from paper --out runs/train`.

    Parameters
    ----------
    explain
        Print each setting's value and where in the paper it comes from, and stop.
    source
        Start from the settings of a preset (paper, robust, refcode, miniature) or of a run.toml.
    """
    _run(options.stages, options, explain=explain, source=source)


def _run(stages: tuple[str, ...], options: TrainOptions, *, explain: bool, source: str | None) -> None:
    if explain:
        _explain(options, source)
    else:
        train_stages(stages, options)


def train_stages(stages: tuple[str, ...], options: TrainOptions) -> None:
    """Train, and print what came of it."""
    from frameweave.training.train import train as job  # noqa: PLC0415 - torch must not slow --help

    try:
        done = job(stages, options, progress=console.progress())
    except KeyboardInterrupt:
        console.err.print("stopped; call the same command again to go on", markup=False)
        raise
    took = {"seconds": done.seconds, "peak_gib": round(done.peak_bytes / 2**30, 2)}
    console.result(folder=str(options.out), **done.figures, **took)


def _explain(options: TrainOptions, source: str | None) -> None:
    """Every setting that the paper leaves open: its value, the default, and the readings."""
    if console.machine():
        console.result(
            **{
                name: {
                    "value": getattr(options, name),
                    "default": getattr(TrainOptions(), name),
                    "source": why,
                }
                for name, why in PROVENANCE.items()
            }
        )
        return
    table = Table(
        "setting",
        "value",
        "default",
        "where it comes from",
        box=None,
        title=f"from {source}" if source else None,
    )
    for name, why in PROVENANCE.items():
        value, default = getattr(options, name), getattr(TrainOptions(), name)
        table.add_row(name, str(value), "" if value == default else str(default), why)
    console.out.print(table)
