"""The sweep of windows, by hand."""

from dataclasses import replace
from pathlib import Path

from frameweave.adaptor.adaptor import Adaptor
from frameweave.adaptor.card import Card
from frameweave.measuring.experiments.arms import Arm
from frameweave.measuring.experiments.sweeping import sweep_lines
from frameweave.measuring.records import PairLine, ScoreLine
from frameweave.measuring.report.results import Results, RunInfo


def score(arm: str, editor: str, value: float | None, pair: str = "0") -> ScoreLine:
    return ScoreLine(arm=arm, editor=editor, pair=pair, seed=0, metric="m", value=value)


def swept(
    arms: list[tuple[Arm, Card]], scores: list[ScoreLine], clips: dict[str, str]
) -> list[dict[str, object]]:
    pairs = [PairLine(pair=pair, clip=clip, prompt="a red car") for pair, clip in clips.items()]
    results = Results(folder=Path(), run=RunInfo(command="grid"), pairs=tuple(pairs), scores=tuple(scores))
    return [line.model_dump() for line in sweep_lines(arms, results)]


def test_means_of_differences_over_editors_and_clips(adaptor: Adaptor) -> None:
    wide = replace(adaptor.card, low=0.6)
    arms = [
        (Arm(name="a", adaptor="x", window=(0.9, 1.0)), adaptor.card),
        (Arm(name="b", adaptor="y", window=(0.6, 1.0)), wide),
        (Arm(name="c", adaptor="y"), wide),
    ]
    scores = [
        score("without", "e", 1), score("a", "e", 2), score("b", "e", 5), score("c", "e", 9),
        score("without", "f", 1), score("a", "f", 4), score("b", "f", None),
        score("a", "e", 7, pair="1"),
    ]  # fmt: skip
    clips = {"0": "0", "1": "1"}
    assert swept(arms, scores, clips) == [
        {"train": (0.9, 1.0), "inference": (0.9, 1.0), "metric": "m", "value": 2.0},
        {"train": (0.6, 1.0), "inference": (0.6, 1.0), "metric": "m", "value": 4.0},
    ]
    assert swept(arms[1:], scores, clips) == []  # a single window is no sweep
    twin = Arm(name="d", adaptor="x", window=(0.9, 1.0), strength=1.5)
    assert swept([*arms, (twin, adaptor.card)], scores, clips) == []  # not of windows alone


def test_prompts_of_one_clip_count_once(adaptor: Adaptor) -> None:
    windows = {"a": (0.9, 1.0), "b": (0.5, 1.0)}
    arms = [(Arm(name=name, adaptor="x", window=ends), adaptor.card) for name, ends in windows.items()]
    scores = [score("without", "e", 0, pair=pair) for pair in "012"]
    changes = {"0": 1, "1": 3, "2": 8}
    scores += [score(arm, "e", value, pair=pair) for arm in "ab" for pair, value in changes.items()]
    found = swept(arms, scores, {"0": "clip", "1": "clip", "2": "other"})
    assert [row["value"] for row in found] == [5.0, 5.0]  # the mean of (1 + 3) / 2 and 8
