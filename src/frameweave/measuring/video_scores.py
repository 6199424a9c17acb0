"""What came of measuring videos, and the files that say so: scores.jsonl, scores.csv, metrics.json."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from frameweave.measuring.experiments.measures import write_metrics
from frameweave.measuring.records import MetricInfo, Score
from frameweave.runs.atomic import staged
from frameweave.runs.records import write_lines
from frameweave.runs.spreadsheet import comma_separated


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What came of it."""

    folder: Path
    means: dict[str, float]
    """Of each metric, by its title, over the videos that have it."""
    reasons: dict[str, str]
    """Why a metric has no mean."""
    failed: dict[str, str]
    """Videos that could not be measured, and why."""
    videos: int


class VideoScore(Score):
    """A metric's value for a video, or the reason why there is none."""

    video: str


def write_scores(folder: Path, infos: Sequence[MetricInfo], lines: Sequence[VideoScore]) -> None:
    """Write the three files into a run folder."""
    write_lines(folder / "scores.jsonl", lines)
    write_metrics(folder, infos)
    head = ["video", *Score.model_fields]
    table = comma_separated(head, [[getattr(line, column) for column in head] for line in lines])
    with staged(folder / "scores.csv") as stage:
        stage.write_text(table, encoding="utf-8", newline="")
