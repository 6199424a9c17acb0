"""Choose for each editor how strongly an adaptor acts at which noise levels (the paper's future work)."""

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from frameweave.errors import InputError, RunError
from frameweave.experiments.arms import WITHOUT, Arm
from frameweave.experiments.tuning import SILENT, WORTH_OF_NOTHING, Gain, candidates, gain, worth
from frameweave.jobs.experiment import digests, items_of, run_experiment
from frameweave.jobs.gather import write_lines
from frameweave.jobs.grid_options import TuneOptions
from frameweave.model.adaptor import load_adaptor
from frameweave.model.injection import Injection
from frameweave.progress import SILENT as QUIET
from frameweave.progress import Progress
from frameweave.run import Run

RECORD = "tuning.jsonl"


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What was chosen."""

    adaptor: Path
    """The folder with the adaptor and its new injections."""
    injections: dict[str, str]
    worths: dict[str, float]
    """By editor, the less certain of both gains in standard errors; 0 where the LoRA stays silent."""
    seconds: float


def tune(adaptor: str, table: Path | None, options: TuneOptions, *, progress: Progress = QUIET) -> Tuned:
    """Search one band of noise levels after the other, the noisiest first, with the development clips.

    A band keeps the strength by which the less certain of all gains (see `worth`) becomes largest, or stays
    silent when none is better. Writes each trial into `tuning.jsonl` and the adaptor with what was chosen
    into `options.out`/adaptor. The same command goes on where an earlier call stopped: trials are cells.

    Raises `InputError` for settings that make no sense, and whatever `grid` raises.
    """
    start = time.monotonic()
    items, named = items_of(table, options)
    whole = load_adaptor(adaptor)
    Injection.parse(",".join(f"{band}:1" for band in options.bands))  # bands that overlap are told now
    if not options.strengths:
        raise InputError("no --strengths to choose from", hint="give some in (0, 2], e.g. 0.5, 1 and 2")
    given = {"adaptor": adaptor, "test_set": named, "arms": digests([Arm(name="whole", adaptor=adaptor)])}
    run = Run.start(
        options.out, "tune", options, given=given, overwrite=options.overwrite, resume=not options.overwrite
    )
    search = _Search(run, items, adaptor, options, progress)
    injections, worths = dict[str, str](), dict[str, float]()
    for editor in options.editors:
        injections[editor], worths[editor] = search.of(editor)
        progress.note(f"{editor}: {injections[editor]} (worth {worths[editor]:.2f} standard errors)")
    folder = options.out / "adaptor"
    replace(whole, card=replace(whole.card, injections=whole.card.injections | injections)).save(folder)
    seconds = round(time.monotonic() - start, 1)
    run.finish({"injections": injections, "worths": worths, "seconds": seconds})
    return Tuned(adaptor=folder, injections=injections, worths=worths, seconds=seconds)


class _Search:
    """Trials of injections, each measured on all clips."""

    def __init__(
        self, run: Run, items: list[dict[str, Any]], adaptor: str, options: TuneOptions, progress: Progress
    ) -> None:
        self.run, self.items, self.adaptor = run, items, adaptor
        self.options, self.progress = options, progress
        self.record: list[dict[str, Any]] = []

    def of(self, editor: str) -> tuple[str, float]:
        """The injection for an editor, and what it is worth."""
        chosen, best = SILENT, WORTH_OF_NOTHING
        for band in self.options.bands:
            texts = list(candidates(chosen, band, self.options.strengths))
            found = self._measured(editor, texts)
            top = max(texts, key=lambda text: worth(found[text]))
            if worth(found[top]) > best:
                chosen, best = top, worth(found[top])
            for text in texts:
                gains = [asdict(one) for one in found[text]]
                self.record.append(
                    {"editor": editor, "band": band, "injection": text, "chosen": text == chosen}
                    | {"worth": worth(found[text]), "gains": gains}
                )
            write_lines(self.run.folder / RECORD, self.record)
        return chosen, best

    def _measured(self, editor: str, texts: Sequence[str]) -> dict[str, list[Gain]]:
        arms = [Arm(name=WITHOUT)]
        arms += [Arm(name=text, adaptor=self.adaptor, injection=text) for text in texts]
        only = replace(self.options, editors=(editor,))
        done = run_experiment(self.run, self.items, arms, only, progress=self.progress)
        if done.failed:
            name, reason = next(iter(done.failed.items()))
            raise RunError(f"{len(done.failed)} trials failed, the first, {name}: {reason}")
        by_arm: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        for line in (self.run.folder / "scores.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["value"] is not None and row["editor"] == editor:
                by_arm[row["arm"], row["metric"]][f"{row['pair']} {row['seed']}"] = row["value"]
        metrics = {row["name"]: row for row in json.loads((self.run.folder / "metrics.json").read_text())}
        return {
            text: [
                gain(
                    name,
                    by_arm[text, name],
                    by_arm[WITHOUT, name],
                    lower=metrics[name]["better"] == "lower",
                )
                for name in self.options.metrics
            ]
            for text in texts
        }
