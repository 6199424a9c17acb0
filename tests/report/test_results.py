"""Reading an experiment's folder: whole, unfinished, damaged."""

from pathlib import Path

import pytest

from frameweave.errors import DataError
from frameweave.report.reading import read_results
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


def test_a_line_that_was_being_written_is_left_out(tmp_path: Path) -> None:
    folder = write_results(tmp_path, VALUES)
    with (folder / "scores.jsonl").open("a") as file:
        file.write('{"pair": "00')
    assert len(read_results(folder).scores) == 6


def test_not_a_number_is_left_out(tmp_path: Path) -> None:
    folder = write_results(tmp_path, VALUES)
    text = (folder / "scores.jsonl").read_text()
    (folder / "scores.jsonl").write_text(text.replace("0.5", "NaN"))
    assert read_results(folder).values("vidtome", "without", "warp_error") == {"clip 0": 0.3}


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("scores.jsonl", '{"pair": \n{}\n', r"scores\.jsonl, line 1"),
        ("scores.jsonl", "{}\n", "line 1: no pair"),
        ("metrics.json", "[{}]", r"metrics\.json"),
        ("metrics.json", "[", r"metrics\.json"),
    ],
)
def test_damage(file: str, content: str, said: str, tmp_path: Path) -> None:
    folder = write_results(tmp_path, VALUES)
    (folder / file).write_text(content)
    with pytest.raises(DataError, match=said):
        read_results(folder)


def test_no_experiment(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="frameweave grid"):
        read_results(tmp_path)
