"""Choose for each editor which parts of an adaptor act, and how strongly at which timesteps.

A strength schedule is the paper's future work.
"""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from frameweave.adaptor.adaptor import FILE, load_adaptor
from frameweave.adaptor.formats import DIFFUSERS_FILE, KOHYA_FILE
from frameweave.adaptor.strengths import StrengthSchedule, strength_in_range
from frameweave.editors import registry
from frameweave.errors import InputError, RunError
from frameweave.measuring.asked import check_vision, items_of
from frameweave.measuring.experiment import Given, begun, digests, run_experiment
from frameweave.measuring.experiments.arms import Arm
from frameweave.measuring.experiments.items import STRANGE, Item, TableItem
from frameweave.measuring.experiments.measures import Backbones
from frameweave.measuring.experiments.tuning import Gain, Trial, gain, search, worth
from frameweave.measuring.metrics.base import REASONS, Need
from frameweave.measuring.options import TuneOptions
from frameweave.measuring.records import WITHOUT
from frameweave.measuring.report.reading import read_measured
from frameweave.measuring.stats.paired import FEWEST
from frameweave.progress import SILENT, Progress
from frameweave.runs.engines import in_shards
from frameweave.runs.records import Record, write_lines
from frameweave.runs.run import Run

RECORD = "tuning.jsonl"


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What was chosen."""

    adaptor: Path
    """The folder with the adaptor, which acts as was chosen."""
    strength_schedules: dict[str, str]
    """By editor, how strongly the LoRA acts by timestep."""
    tokens_for: list[str]
    """Of these editors the ones in which the prompt tokens act."""
    worths: dict[str, float]
    """By editor, what is gained at least, see `experiments.tuning.worth`; 0 where nothing acts."""
    seconds: float


def tune(adaptor: str, table: Path | None, options: TuneOptions, *, progress: Progress = SILENT) -> Tuned:
    """Search with the development clips: the prompt tokens, then one band of timesteps after the other.

    The tokens are tried alone, and kept where they gain; the bands are tried beside them, in the order given.
    A band keeps the strength that is worth most (see `worth`), or stays silent when none is better. Further
    passes try each band again beside what was chosen for the others. Writes each trial into `tuning.jsonl`
    and the adaptor with what was chosen into `options.out`/adaptor. The same command goes on where an earlier
    call stopped: trials are cells.

    Raises `InputError` for settings that make no sense, and whatever `grid` raises.
    """
    start = time.monotonic()
    items, named = items_of(table, options)
    whole = load_adaptor(adaptor)
    _check_bands(options.bands)
    if not options.strengths:
        raise InputError("no --strengths to choose from", hint="give some in (0, 2], e.g. 0.5, 1 and 2")
    for strength in options.strengths:
        strength_in_range(strength)
    clips = {item.clip for item in items}
    if len(clips) < FEWEST:
        raise InputError(
            f"{len(clips)} clips to choose by, expected at least {FEWEST}",
            hint="several prompts for one clip tell little: give more clips",
        )
    by_tokens = options.tokens and whole.tokens is not None
    check_vision([Arm(name="the adaptor", adaptor=adaptor, tokens=by_tokens)], options)
    better = _directions(options, _missing(items, options), world=table is None)
    if in_shards(options.shard_index, options.num_shards):
        raise InputError(
            "a search in shards: each would choose by its own part of the clips",
            hint="leave the shards out; --ray spreads the trials over machines",
        )
    arms = digests([Arm(name="whole", adaptor=adaptor)], options.editors)
    given = Given.of(table, named, arms=arms, adaptor=adaptor)
    with begun("tune", options, given, items, progress) as run:
        run.will_write(RECORD, *(f"adaptor/{name}" for name in (FILE, DIFFUSERS_FILE, KOHYA_FILE)))
        search = _Search(
            run=run, items=items, adaptor=adaptor, options=options, better=better, progress=progress
        )
        found = dict[str, Trial]()
        for editor in options.editors:
            found[editor] = best = search.of(editor, tokens=by_tokens)
            progress.note(f"{editor}: {best.name} (worth {best.worth:.3f})")
        folder = options.out / "adaptor"
        schedules = {editor: trial.schedule for editor, trial in found.items()}
        tokens_for = [editor for editor, trial in found.items() if trial.tokens]
        others = [editor for editor in whole.card.tokens_for if editor not in found]
        card = replace(
            whole.card,
            strength_schedules=whole.card.strength_schedules | schedules,
            tokens_for=sorted([*others, *tokens_for]),
        )
        replace(whole, card=card).save(folder)
        worths = {editor: trial.worth for editor, trial in found.items()}
        seconds = round(time.monotonic() - start, 1)
        run.finish(
            {"strength_schedules": schedules, "tokens_for": tokens_for, "worths": worths, "seconds": seconds}
        )
        return Tuned(
            adaptor=folder,
            strength_schedules=schedules,
            tokens_for=tokens_for,
            worths=worths,
            seconds=seconds,
        )


class TrialLine(Record):
    """A trial with what it gains, as tuning.jsonl holds it."""

    editor: str
    band: str
    """In which strengths were tried; empty for the prompt tokens."""
    chosen: bool
    schedule: str
    tokens: bool
    worth: float
    gains: tuple[Gain, ...]


@dataclass(frozen=True, kw_only=True)
class _Search:
    """Trials, each measured on all clips."""

    run: Run
    items: Sequence[Item]
    adaptor: str
    options: TuneOptions
    better: dict[str, str]
    """Whether lower or higher is better, of each metric to choose by or to guard."""
    progress: Progress
    record: list[TrialLine] = field(default_factory=list[TrialLine])

    @property
    def guards(self) -> set[str]:
        return set(self.options.guards) - set(self.options.metrics)

    def of(self, editor: str, *, tokens: bool) -> Trial:
        """The best trial for an editor."""
        options = self.options
        return search(
            partial(self._best, editor),
            bands=options.bands,
            strengths=options.strengths,
            passes=options.passes,
            tokens=tokens,
        )

    def _best(self, editor: str, band: str, trials: Sequence[Trial], before: Trial) -> Trial:
        """The best of some trials and of the one that was best before them."""
        gains = self._measured(editor, trials)
        trials = [replace(trial, worth=worth(gains[trial.name], self.guards)) for trial in trials]
        best = max([before, *trials], key=lambda trial: trial.worth)
        for trial in trials:
            self.record.append(
                TrialLine(
                    editor=editor,
                    band=band,
                    chosen=trial is best,
                    schedule=trial.schedule,
                    tokens=trial.tokens,
                    worth=trial.worth,
                    gains=tuple(gains[trial.name]),
                )
            )
        write_lines(self.run.folder / RECORD, self.record)
        return best

    def _measured(self, editor: str, trials: Sequence[Trial]) -> dict[str, list[Gain]]:
        """By the trials' names: what each gains."""
        arms = [Arm(name=WITHOUT)]
        arms += [
            Arm(name=trial.name, adaptor=self.adaptor, schedule=trial.schedule, tokens=trial.tokens)
            for trial in trials
        ]
        only = self.options.replaced(editors=(editor,), set=registry.texts_for(editor, self.options.set))
        done = run_experiment(self.run, self.items, arms, only, progress=self.progress)
        if done.failed:
            name, reason = next(iter(done.failed.items()))
            raise RunError(f"{len(done.failed)} trials failed, the first, {name}: {reason}")
        results = read_measured(self.run.folder)
        found: dict[str, list[Gain]] = {trial.name: [] for trial in trials}
        for arm, name in itertools.product(found, self.better):
            with_, without = results.matched(editor, arm, WITHOUT, name)
            if not with_:
                reason = results.reason(editor, arm, name)
                raise RunError(
                    f"{name} has no value on any clip: {reason}", hint="give other --metrics or --guards"
                )
            found[arm].append(gain(name, with_, without, lower=self.better[name] == "lower"))
        return found


def _check_bands(bands: Sequence[str]) -> None:
    """Raise `InputError` for bands that cannot be read, and for ones that overlap."""
    for band in bands:
        try:
            StrengthSchedule.parse(f"{band}:1")
        except InputError as error:
            raise InputError(
                f"--bands {band!r}, expected two shares of T", hint="write the lower one first, e.g. 0.9-1"
            ) from error
    if not bands:
        raise InputError("no --bands to search", hint="give some as shares of T, e.g. 0.3-1")
    StrengthSchedule.parse(",".join(f"{band}:1" for band in bands))


def _missing(items: Sequence[Item], options: TuneOptions) -> set[Need]:
    """What metrics may need and some of the clips do not have."""
    found = set[Need]()
    if options.frames == 1:
        found.add("neighbours")
    if not all(item.knows_truth for item in items):
        found.add("truth")
    lines = [item for item in items if isinstance(item, TableItem)]
    if lines:
        found.update(("mask", "object", "wanted"))
    if not all(item.source_prompt for item in lines):
        found.add("source prompt")
    return found


def _directions(options: TuneOptions, missing: set[Need], *, world: bool) -> dict[str, str]:
    """Whether lower or higher is better, of each metric to choose by or to guard.

    Raises `InputError` for an unfit one.
    """
    strangers = world and options.clip_set in STRANGE
    measures = Backbones.asked(options, model=options.model, world=world, strangers=strangers).measures()
    lacks = {metric.name: metric.lacks for metric in (*measures.each, *measures.lacking) if metric.lacks}
    known = {metric.name: metric.better for metric in measures.each if metric.better != "none"}
    if not options.metrics:
        raise InputError("no --metrics to choose by", hint=f"give some of {', '.join(known)}")
    asked = (*options.metrics, *options.guards)
    needs = {metric.name: metric.needs for metric in measures.each}
    for name in asked:
        for need in sorted(missing & needs.get(name, frozenset[Need]())):
            raise InputError(
                f"{name} {REASONS[need]}, which not all clips have here", hint="give another metric"
            )
        if name in lacks:
            raise InputError(f"{name} {lacks[name]}")
        if name not in known:
            raise InputError.unknown("metric to choose by", name, list(known))
    return {name: known[name] for name in asked}
