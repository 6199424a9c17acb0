"""The grid (the paper's Table 1): every editor without and with adaptors, on the same clips and draws."""

from collections.abc import Sequence
from pathlib import Path

from frameweave.errors import InputError
from frameweave.measuring.asked import check_vision, items_of
from frameweave.measuring.experiment import (
    Experimented,
    Given,
    begun,
    digests,
    finish,
    run_experiment,
)
from frameweave.measuring.experiments.arms import Arm, arms_as_used, parsed_arm
from frameweave.measuring.options import GridOptions
from frameweave.measuring.records import WITH, WITHOUT
from frameweave.models.loading.choice import MINIATURE
from frameweave.progress import SILENT, Progress


def grid(table: Path | None, options: GridOptions, *, progress: Progress = SILENT) -> Experimented:
    """Edit and measure in the run folder `options.out`, going on where an earlier call stopped.

    Without a table the world's held-out clips are edited. Raises `InputError` for settings that make no
    sense, `DataError` for a table that cannot be read, `RunError` when the folder holds another run.
    """
    items, named = items_of(table, options)
    given_arms = options.arms
    if given_arms is None:
        given_arms = (f"{WITH}={MINIATURE}",) if options.model == MINIATURE else ()
    arms = [Arm(name=WITHOUT), *(parsed_arm(text) for text in given_arms)]
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names):
        raise InputError(
            f"arms {', '.join(names)}: two have one name", hint="give each arm a name of its own"
        )
    _check_baseline(options.baseline, options.editors, names)
    clips = [item.name for item in items]
    check_vision(arms_as_used(arms, clips, options.seeds), options)
    given = Given.of(table, named, arms=digests(arms, options.editors, clips, options.seeds))
    with begun("grid", options, given, items, progress) as run:
        done = run_experiment(run, items, arms, options, progress=progress)
        finish(run, given, done, options)
        return done


def _check_baseline(text: str | None, editors: Sequence[str], arms: Sequence[str]) -> None:
    """Raise `InputError` for a baseline that is not edited."""
    if text is None:
        return
    editor, _, arm = text.partition(":")
    if editor not in editors:
        raise InputError.unknown("baseline editor", editor, list(editors))
    if arm and arm not in arms:
        raise InputError.unknown(f"arm of the baseline {editor}", arm, list(arms))
