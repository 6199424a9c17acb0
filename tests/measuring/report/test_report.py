"""The report of one folder, of several, of a training, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from frameweave.errors import DataError, InputError
from frameweave.measuring.report.report import report
from frameweave.runs.settings import write_toml
from results_folder import write_results

VALUES: dict[tuple[str, str, str], list[float | None]] = {
    ("vidtome", "without", "warp_error"): [0.2, 0.3, 0.4, 0.5],
    ("vidtome", "with", "warp_error"): [0.1, 0.2, 0.3, 0.6],
}


def training(folder: Path, *lines: dict[str, Any]) -> Path:
    folder.mkdir()
    write_toml(folder / "run.toml", {"command": "train", "settings": {"rank": 4}, "environment": {}})
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"stage": "lo')
    return folder


def test_an_unfinished_folder_without_videos(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "run", VALUES)
    with (folder / "scores.jsonl").open("a") as file:
        file.write('{"pair": "00')
    assert report([folder]) == folder / "report.html"
    tables = {path.stem for path in (folder / "tables").iterdir()}
    assert {"headline", "differences", "published", "cost"} == tables  # nothing else was measured
    assert {path.suffix for path in (folder / "tables").iterdir()} == {".md", ".tex", ".csv", ".html"}
    text = (folder / "tables" / "differences.md").read_text()
    assert "| vidtome | with | Warp error ↓ | -0.0500 [" in text and "(Student's t)" in text
    assert '"clips": []' in (folder / "report.html").read_text()


def test_failed_edits_are_told(tmp_path: Path) -> None:
    folder = write_results(tmp_path, VALUES)
    cell = {
        "pair": "003",
        "seed": 0,
        "editor": "vidtome",
        "arm": "with",
        "video": None,
        "error": "<no memory>",
    }
    with (folder / "cells.jsonl").open("a") as file:
        file.write(json.dumps(cell) + "\n")
    page = report([folder]).read_text()
    assert "vidtome, with, pair 003, seed 0: &lt;no memory&gt;" in page


def test_several_folders_make_one_report(tmp_path: Path) -> None:
    other = {("tokenflow", arm, metric): row for (_, arm, metric), row in VALUES.items()}
    folders = [write_results(tmp_path / "a", VALUES), write_results(tmp_path / "b", other)]
    sweep = {"train": [0.9, 1.0], "inference": [0.8, 1.0], "metric": "warp_error", "value": 0.5}
    (folders[1] / "sweep.jsonl").write_text(json.dumps(sweep) + "\n")
    report(folders, tmp_path / "out")
    text = (tmp_path / "out" / "tables" / "headline.md").read_text()
    assert text.count("| vidtome |") == text.count("| tokenflow |") == 2
    assert (tmp_path / "out" / "figures" / "sweep-warp_error.svg").is_file()
    assert not (tmp_path / "a" / "report.html").exists()


def test_only_primary_measures_are_tested(tmp_path: Path) -> None:
    """Their p is corrected for them alone, and others have none."""
    values = VALUES | {
        ("vidtome", arm, "clip_score"): row for (_, arm, _), row in zip(VALUES, VALUES.values(), strict=True)
    }
    folder = write_results(tmp_path / "run", values)
    report([folder], tmp_path / "all")
    report([folder], tmp_path / "chosen", primary=["warp_error"])
    every, chosen = ((tmp_path / name / "tables").joinpath for name in ("all", "chosen"))
    assert "over 2 tests" in every("differences.md").read_text() and not every("primary.md").exists()
    text = chosen("primary.md").read_text()
    assert text.count("\n| vidtome |") == 1 and "Warp error" in text and "over 1 tests" in text
    others = chosen("differences.md").read_text()
    assert "Holm's correction" not in others and "–: not tested" in others
    with pytest.raises(InputError, match="metric 'warp'"):
        report([folder], primary=["warp"])


def test_an_ablation_has_a_table_of_its_parts(tmp_path: Path) -> None:
    values = {**VALUES, ("vidtome", "without depth", "warp_error"): [0.3, 0.3, 0.3, 0.7]}
    report([write_results(tmp_path, values, command="ablation")])
    text = (tmp_path / "tables" / "parts.md").read_text()
    assert text.count("\n| vidtome |") == 1 and "| vidtome | without depth | Warp error ↓ | +0.1000" in text


def test_a_training_adds_its_losses(tmp_path: Path) -> None:
    run = training(tmp_path / "train", {"stage": "lora", "step": 1, "noise": 0.2})
    folder = write_results(tmp_path / "run", VALUES)
    page = report([folder, run], tmp_path / "out").read_text()
    assert (tmp_path / "out" / "figures" / "losses-1.png").is_file() and "Losses of" in page
    alone = report([run], tmp_path / "alone").read_text()
    assert "Frameweave train" in alone and "Losses of" in alone and "<td>rank</td>" in alone
    assert not (tmp_path / "alone" / "tables").exists()


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder to report"):
        report([])
    with pytest.raises(DataError, match=r"no run\.toml and no metrics\.json"):
        report([tmp_path])
    folder = write_results(tmp_path / "run", VALUES)
    (folder / "scores.jsonl").unlink()
    with pytest.raises(InputError, match="no scores yet"):
        report([folder])
    with pytest.raises(InputError, match="no step"):
        report([training(tmp_path / "train")])
    (folder / "scores.jsonl").write_text(
        '{"pair": "000", "editor": "a", "arm": "without", "metric": "warp_error", "value": 1}\n'
    )
    (folder / "sweep.jsonl").write_text('{"train": [0, 1]}\n')
    with pytest.raises(DataError, match=r"sweep\.jsonl, line 1: no inference"):
        report([folder])
