"""frameweave train: the stages of an adaptor."""

from typing import Annotated

from cyclopts import Parameter

from frameweave.cli import console
from frameweave.training.options import PROVENANCE, TrainOptions

Options = Annotated[TrainOptions, Parameter(name="*")]
Explain = Annotated[bool, Parameter(negative="")]


def depth(*, options: Options = TrainOptions(), explain: Explain = False) -> None:
    """Train the depth ControlNet (stage 1). Not needed when the model has one.

    Example: `frameweave train depth --out runs/train`.

    Parameters
    ----------
    explain
        Print each setting's value and where in the paper it comes from, and stop.
    """
    _run(("depth",), options, explain=explain)


def tokens(*, options: Options = TrainOptions(), explain: Explain = False) -> None:
    """Train the shared tokens and the projection of the unshared ones (stage 2).

    Example: `frameweave train tokens --out runs/train`.

    Parameters
    ----------
    explain
        Print each setting's value and where in the paper it comes from, and stop.
    """
    _run(("tokens",), options, explain=explain)


def lora(*, options: Options = TrainOptions(), explain: Explain = False) -> None:
    """Train the LoRA with the temporal loss (stage 3), with the tokens of an earlier stage if there are any.

    Example: `frameweave train lora --out runs/train --steps 1000`.

    Parameters
    ----------
    explain
        Print each setting's value and where in the paper it comes from, and stop.
    """
    _run(("lora",), options, explain=explain)


def every(*, options: Options = TrainOptions(), explain: Explain = False) -> None:
    """Train the stages that `stages` lists, in order.

    Example: `frameweave train all --stages tokens --stages lora --out runs/train`.

    Parameters
    ----------
    explain
        Print each setting's value and where in the paper it comes from, and stop.
    """
    _run(options.stages, options, explain=explain)


def _run(stages: tuple[str, ...], options: TrainOptions, *, explain: bool) -> None:
    if explain:
        console.result(
            **{name: f"{getattr(options, name)}  ({source})" for name, source in PROVENANCE.items()}
        )
        return
    from frameweave.jobs.train import train as job  # noqa: PLC0415 - torch must not slow --help

    try:
        done = job(stages, options, progress=console.progress())
    except KeyboardInterrupt:
        console.err.print("stopped; call the same command again to go on", markup=False)
        raise
    console.result(folder=str(done.folder), **done.figures)
