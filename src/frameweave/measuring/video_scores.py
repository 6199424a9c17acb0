"""Measuring one video after the other, and the files that say so: scores.jsonl, scores.csv, metrics.json."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from frameweave.errors import in_one_line
from frameweave.measuring.experiments.measures import write_metrics
from frameweave.measuring.options import EvaluateOptions
from frameweave.measuring.records import MetricInfo, Score
from frameweave.progress import Progress
from frameweave.runs.atomic import staged
from frameweave.runs.records import write_lines
from frameweave.runs.run import Run
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


@runtime_checkable
class Named(Protocol):
    """What is measured: an edited video by its name."""

    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


@contextmanager
def evaluating(
    options: EvaluateOptions, given: Mapping[str, object], *files: str
) -> Generator[Run, None, None]:
    """The run that measures into `options.out` and writes these files there, held meanwhile."""
    anew = options.overwrite
    plan = Run.planned(options.out, "evaluate", options, given=given, overwrite=anew, resume=not anew)
    with plan.held():
        run = plan.start()
        run.will_write(*files)
        yield run


def each_measured(
    videos: Iterable[N],
    scores: Callable[[N], Iterable[Score]],
    folder: Path,
    infos: Sequence[MetricInfo],
    progress: Progress,
) -> tuple[list[VideoScore], dict[str, str]]:
    """The scores of all videos, which are written, and why others have none: an error stops only its own."""
    lines: list[VideoScore] = []
    failed: dict[str, str] = {}
    try:
        for video in videos:
            try:
                lines.extend(VideoScore(video=video.name, **dict(score)) for score in scores(video))
            except Exception as error:  # whatever it is, the others are measured
                failed[video.name] = in_one_line(error)
                progress.note(f"{video.name}: {failed[video.name]}")
    finally:  # an interrupted run keeps what it has measured
        write_scores(folder, infos, lines)
    return lines, failed


def write_scores(folder: Path, infos: Sequence[MetricInfo], lines: Sequence[VideoScore]) -> None:
    """Write the three files into a run folder."""
    write_lines(folder / "scores.jsonl", lines)
    write_metrics(folder, infos)
    head = ["video", *Score.model_fields]
    table = comma_separated(head, [[getattr(line, column) for column in head] for line in lines])
    with staged(folder / "scores.csv") as stage:
        stage.write_text(table, encoding="utf-8", newline="")
