"""The ablation (the paper's Table 2): adaptors trained without one of their parts, in every editor."""

from pathlib import Path

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.measuring.asked import items_of
from frameweave.measuring.experiment import (
    Experimented,
    Given,
    begun,
    digests,
    finish,
    run_experiment,
)
from frameweave.measuring.experiments.arms import Arm
from frameweave.measuring.options import AblationOptions
from frameweave.measuring.records import WITH, WITHOUT
from frameweave.progress import SILENT, Progress
from frameweave.training.options import NetworksOptions, TrainOptions
from frameweave.training.presets import PRESETS
from frameweave.training.train import FILES, check_stages, train

NO_DEPTH, NO_TOKENS, NO_LORA = "without depth", "without tokens", "without LoRA"


def ablation(table: Path | None, options: AblationOptions, *, progress: Progress = SILENT) -> Experimented:
    """Train what is not trained yet, then edit and measure as the grid does, in `options.out`.

    The arms are no adaptor, the whole one's LoRA (with its tokens if `options.tokens`), that of one trained
    without the depth ControlNet, that of one trained without prompt tokens (shared and unshared ones are
    trained together or not at all), and the whole one's tokens alone. They act alike in all editors, whatever
    `tune` chose.
    Raises what `items_of` and `check_stages` raise, `InputError` for a preset that is not there, and
    `RunError` when the folder holds another run.
    """
    items, named = items_of(table, options)
    whole = _training(options)
    given = Given.of(table, named)
    with begun("ablation", options, given, items, progress) as run:
        run.will_write(*(f"adaptors/*/{name}" for name in FILES))
        arms = _arms(whole, options, progress)
        run.log(arms=digests(arms, options.editors))
        done = run_experiment(run, items, arms, options, progress=progress)
        finish(run, given, done, options)
        return done


def _training(options: AblationOptions) -> TrainOptions:
    """How the whole adaptor is trained."""
    settings, where = PRESETS.settings_of(options.preset, flag="--preset")
    whole = TrainOptions.of_table(settings, where=where).replaced(
        **{name: getattr(options, name) for name in NetworksOptions.model_fields},
    )
    if options.train_steps is not None:
        whole = whole.replaced(steps=options.train_steps)
    check_stages(whole.stages, whole)
    return whole


def _arms(whole: TrainOptions, options: AblationOptions, progress: Progress) -> list[Arm]:
    """Each arm with its adaptor, trained now unless it is there."""
    without_depth = tuple(stage for stage in whole.stages if stage != "depth")
    without_tokens = tuple(stage for stage in whole.stages if stage != "tokens")
    folder = options.adaptors or options.out / "adaptors"
    full = options.full or _trained(whole, folder / "whole", progress)
    no_depth = whole.replaced(depth_control=False, stages=without_depth)
    no_tokens = whole.replaced(n_shared=0, stages=without_tokens)
    return [
        Arm(name=WITHOUT),
        Arm(name=WITH, adaptor=full, strength=load_adaptor(full).card.strength, tokens=options.tokens),
        Arm(
            name=NO_DEPTH,
            adaptor=_trained(no_depth, folder / "without-depth", progress),
            tokens=options.tokens,
        ),
        Arm(name=NO_TOKENS, adaptor=_trained(no_tokens, folder / "without-tokens", progress)),
        Arm(name=NO_LORA, adaptor=full, strength=0, tokens=True),
    ]


def _trained(options: TrainOptions, out: Path, progress: Progress) -> str:
    """The adaptor of a training run: a stopped one goes on, and a finished one is taken as it is."""
    train(options.stages, options.replaced(out=out), progress=progress)
    return str((out / "adaptor").absolute())
