"""Reading an experiment's folder: whole, unfinished, damaged, of another kind."""

import json
from pathlib import Path

import pytest

from frameweave.errors import DataError, InputError
from frameweave.measuring.report.reading import read_results
from frameweave.runs.records import lines_of
from frameweave.runs.settings import write_toml
from results_folder import METRICS, write_results

VALUES: dict[tuple[str, str, str], list[float | None]] = {
    ("reference", "blurred", "warp_error"): [0.1, 0.2],
    ("vidtome", "without", "warp_error"): [0.3, 0.5],
    ("vidtome", "with", "warp_error"): [0.2, None],
}


@pytest.mark.parametrize("rest", [b'{"pair": "00', b'{"prompt": "\xc3', b"{"])
def test_a_line_that_was_being_written_is_left_out(rest: bytes, tmp_path: Path) -> None:
    folder = write_results(tmp_path, VALUES)
    with (folder / "scores.jsonl").open("ab") as file:
        file.write(rest)
    assert len(read_results(folder).scores) == 6


def test_a_whole_last_line_needs_no_end(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"a": 2}')
    assert list(lines_of(tmp_path / "a.jsonl")) == [(1, {"a": 1}), (3, {"a": 2})]
    assert list(lines_of(tmp_path / "absent.jsonl")) == []


def test_files_that_are_not_there_yet(tmp_path: Path) -> None:
    folder = write_results(tmp_path, VALUES)
    for name in ("cells", "pooled", "pairs"):
        (folder / f"{name}.jsonl").unlink()
    results = read_results(folder)
    assert (results.cells, results.pooled) == ((), ())
    assert results.values("vidtome", "without", "warp_error") == {"000": 0.3, "001": 0.5}


def test_not_a_number_is_left_out(tmp_path: Path) -> None:
    folder = write_results(tmp_path, VALUES)
    text = (folder / "scores.jsonl").read_text()
    (folder / "scores.jsonl").write_text(text.replace("0.5", "NaN"))
    row = {"editor": "vidtome", "arm": "with", "metric": "fid", "value": 3.0, "interval": [1.0, float("nan")]}
    (folder / "pooled.jsonl").write_text(json.dumps(row) + "\n")
    results = read_results(folder)
    assert results.values("vidtome", "without", "warp_error") == {"clip 0": 0.3}
    assert results.pooled[0].interval is None


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("scores.jsonl", '{"pair": \n{}\n', r"scores\.jsonl, line 1"),
        ("scores.jsonl", "{}\n", "line 1: no pair"),
        ("scores.jsonl", "[]\n", "line 1: expected an object"),
        ("scores.jsonl", "\xff\n", "line 1"),
        (
            "scores.jsonl",
            '\n{"pair": "0", "editor": "a", "arm": "b", "metric": "c", "value": "high"}\n',
            "line 2: value = 'high', expected a number or null",
        ),
        ("cells.jsonl", '{"pair": "0"}\n', "line 1: no editor"),
        ("metrics.json", "[{}]", "a metric has no field 'better'"),
        (
            "metrics.json",
            json.dumps([METRICS[0] | {"sharpness": 1}]),
            "warp_error has an unknown field 'sharp",
        ),
        ("metrics.json", "[", r"metrics\.json"),
        ("metrics.json", "[1]", r"not a list of metrics"),
        ("metrics.json", "3", r"not a list of metrics"),
        ("metrics.json", "[" * 100_000, r"metrics\.json: lists or objects lie too deep"),
        ("pairs.jsonl", '{"a":' * 100_000 + "\n\n", r"pairs\.jsonl, line 1: too deep"),
    ],
)
def test_damage(file: str, content: str, said: str, tmp_path: Path) -> None:
    folder = write_results(tmp_path, VALUES)
    (folder / file).write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=said):
        read_results(folder)


def test_no_experiment(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="frameweave grid"):
        read_results(tmp_path)
    folder = write_results(tmp_path, VALUES)
    write_toml(folder / "run.toml", {"command": "edit"})
    with pytest.raises(DataError, match="a run of 'edit', expected grid or ablation"):
        read_results(folder)
    (folder / "run.toml").unlink()
    with pytest.raises(InputError, match=r"run\.toml"):
        read_results(folder)


def test_a_run_of_another_command_is_named(tmp_path: Path) -> None:
    """It has no metrics.json, but that is not what is wrong."""
    write_toml(tmp_path / "run.toml", {"command": "edit"})
    with pytest.raises(DataError, match="a run of 'edit', expected grid or ablation"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("command = 'grid'\ninput = 3", "input is no table"),
        ("command = 'grid'\nsettings = [1]", "settings is no table"),
        ("command = 'grid'\nenvironment = 'x'", "environment is no table"),
        ("", "no command"),
    ],
)
def test_a_run_file_of_another_form(content: str, said: str, tmp_path: Path) -> None:
    folder = write_results(tmp_path, VALUES)
    (folder / "run.toml").write_text(content)
    with pytest.raises(InputError, match=rf"run\.toml: {said}"):
        read_results(folder)
