"""What a training run tells: log.jsonl, live figures for the bar, tensorboard and wandb when asked for."""

from collections.abc import Mapping

from accelerate.tracking import GeneralTracker, TensorBoardTracker, WandBTracker

from frameweave.errors import require_extra
from frameweave.progress import Progress
from frameweave.runs.run import Run
from frameweave.training.fit import Step
from frameweave.training.options import TrainOptions

_WITHOUT = "_without"
"""How the name of a figure ends that was measured with the adaptor switched off."""


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
        counting = {name: value for name, value in step.terms.items() if value}  # one switched off is 0
        self.progress.measure(**counting, groups_per_second=speed)
        if step.watched and self.main:
            self.progress.note(f"{self.stage} step {step.number}: {in_words(counting | step.watched)}")
        if not self.main:
            return
        rounded = {key: float(f"{value:.6g}") for key, value in values.items()}
        self.run.log(stage=self.stage, step=step.number, **rounded)
        for tracker in self.trackers:
            tracker.log(values, step=step.number)


def in_words(figures: Mapping[str, float]) -> str:
    """Losses as people read them; those that are 0 are left out.

    >>> in_words({"noise": 0.0328, "held_out_noise": 0.072, "held_out_noise_without": 0.0951})
    'noise 0.0328, held-out noise 0.072 (without the adaptor 0.0951)'
    """
    told: list[str] = []
    for name, value in figures.items():
        if not value or name.endswith(_WITHOUT):
            continue
        without = figures.get(f"{name}{_WITHOUT}")
        beside = f" (without the adaptor {without:.3g})" if without else ""
        told.append(f"{name.replace('held_out', 'held-out').replace('_', ' ')} {value:.3g}{beside}")
    return ", ".join(told)


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
