"""What a training run tells: log.jsonl, live figures for the bar, tensorboard and wandb when asked for."""

from accelerate.tracking import GeneralTracker, TensorBoardTracker, WandBTracker

from frameweave.errors import require_extra
from frameweave.progress import Progress
from frameweave.runs.run import Run
from frameweave.training.fit import Step
from frameweave.training.options import TrainOptions


class TrainingLog:
    """Hears of every step of one stage; a context that closes its trackers.

    Raises `MissingExtra` when a tracker that is asked for is not installed.
    """

    def __init__(
        self, run: Run, stage: str, options: TrainOptions, progress: Progress, *, main: bool
    ) -> None:
        self.run, self.stage, self.progress, self.main = run, stage, progress, main
        self.groups_per_step = options.batch * options.accumulate
        self.trackers = _trackers(stage, options) if main else []

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(self, *_: object) -> None:
        for tracker in self.trackers:
            tracker.finish()

    def __call__(self, step: Step) -> None:
        speed = step.steps_per_second * self.groups_per_step
        values = {"gradient_norm": step.gradient_norm, "rate": step.rate, "groups_per_second": speed}
        values |= step.terms
        values |= {f"gradient_norm_{term}": norm for term, norm in step.term_norms.items()} | step.watched
        self.progress.measure(**step.terms, gradient_norm=step.gradient_norm, groups_per_second=speed)
        if step.watched and self.main:
            told = {**step.terms, **step.watched}
            figures = "  ".join(f"{name} {value:.4g}" for name, value in told.items())
            self.progress.note(f"{self.stage} step {step.number}: {figures}")
        if not self.main:
            return
        rounded = {key: float(f"{value:.6g}") for key, value in values.items()}
        self.run.log(stage=self.stage, step=step.number, **rounded)
        for tracker in self.trackers:
            tracker.log(values, step=step.number)


def _trackers(stage: str, options: TrainOptions) -> list[GeneralTracker]:
    chosen: list[GeneralTracker] = []
    if options.tensorboard:
        require_extra("tensorboard", "tensorboard")
        chosen.append(TensorBoardTracker(stage, options.out / "tensorboard"))
    if options.wandb:
        require_extra("wandb", "wandb")
        chosen.append(WandBTracker("frameweave", name=f"{options.out.name}/{stage}", dir=str(options.out)))
    for tracker in chosen:
        tracker.start()
    return chosen
