"""What tables ask of an experiment's scores."""

import json
from pathlib import Path

import pytest

from frameweave.measuring.report.reading import read_results
from results_folder import write_results

VALUES: dict[tuple[str, str, str], list[float | None]] = {
    ("reference", "blurred", "warp_error"): [0.1, 0.2],
    ("vidtome", "without", "warp_error"): [0.3, 0.5],
    ("vidtome", "with", "warp_error"): [0.2, None],
}


def test_order_values_and_reasons(tmp_path: Path) -> None:
    results = read_results(write_results(tmp_path, VALUES))
    assert results.rows == [("vidtome", "without"), ("vidtome", "with"), ("reference", "blurred")]
    assert (results.editors, results.arms("vidtome")) == (["vidtome"], ["without", "with"])
    assert results.values("vidtome", "with", "warp_error") == {"clip 0": 0.2}
    assert results.reason("vidtome", "with", "warp_error") == "is not a number"
    assert results.reason("vidtome", "with", "clip_score") == "not measured"
    assert results.stand_ins == ["miniature-clip-123456"]


def test_prompts_of_one_clip_are_one_value(tmp_path: Path) -> None:
    results = read_results(write_results(tmp_path, VALUES, clips=["same", "same"]))
    assert results.values("vidtome", "without", "warp_error") == {"same": pytest.approx(0.4)}


def test_a_missing_edit_is_missing_in_both_arms(tmp_path: Path) -> None:
    """Clip "same" has two prompts, of which "with" lacks the second: only the first is compared."""
    results = read_results(write_results(tmp_path, VALUES, clips=["same", "same"]))
    found = results.compared("vidtome", "with", "without", results.metrics[0])
    assert found is not None and (found.n, found.wins) == (1, 1)
    assert found.mean == pytest.approx(-0.1)  # not 0.2 - 0.4


def test_gains_are_positive_for_the_better_and_of_the_first_seed(tmp_path: Path) -> None:
    folder = write_results(tmp_path, VALUES)
    line = {"pair": "001", "seed": 1, "editor": "vidtome", "metric": "warp_error"}
    with (folder / "scores.jsonl").open("a") as file:
        file.writelines(json.dumps({**line, "arm": arm, "value": 1.0}) + "\n" for arm in ("with", "without"))
    results = read_results(folder)
    assert results.seed == 0
    assert results.gains("vidtome", "with", results.metrics[0]) == {"000": pytest.approx(0.1)}


def test_a_reference_is_compared_with_all_seeds(tmp_path: Path) -> None:
    """It is made once: beside it the seeds of a pair are one value."""
    folder = write_results(
        tmp_path,
        {("vidtome", "without", "warp_error"): [3.0, 5.0], ("reference", "copy", "warp_error"): [1.0, 1.0]},
    )
    own = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    more = [line | {"seed": 1, "value": 9.0} for line in own if line["editor"] == "vidtome"]
    (folder / "scores.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in own + more))
    results = read_results(folder)
    found = results.compared_rows(("reference", "copy"), ("vidtome", "without"), results.metrics[0])
    assert found is not None and found.mean == 1 - (6 + 7) / 2
