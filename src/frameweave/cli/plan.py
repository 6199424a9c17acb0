"""frameweave plan: what a run will take, before it is started."""

from frameweave.cli import console
from frameweave.cli.train import From, Options
from frameweave.training.options import TrainOptions


def train(*, options: Options = TrainOptions(), source: From = None) -> None:
    """Tell memory and time of a training run: short probes of its stages, extended to their full length.

    Example: `frameweave plan train --from paper --stages lora`.

    Parameters
    ----------
    source
        Start from the settings of a preset (paper, robust, refcode, miniature) or of a run.toml.
    """
    from frameweave.training.forecast import plan_training  # noqa: PLC0415 - torch must not slow --help

    for row in plan_training(options.stages, options, progress=console.progress()):
        told: dict[str, object] = {
            "minutes": round(row.seconds / 60, 2),
            "gib": round(row.peak_bytes / 2**30, 2),
        }
        if row.flops:
            told["tflop_per_micro_step"] = round(row.flops / 1e12, 4)
            told["tflop_per_second"] = round(row.flops_per_second / 1e12, 4)
        if not row.fits:
            told["warning"] = "more than the memory that is free now"
        console.result(stage=row.name, **told)
