"""Editors compared with a chosen one, on figures that are known."""

import json
from pathlib import Path

import pytest
import torch

from frameweave.errors import InputError
from frameweave.measuring.grid import grid
from frameweave.measuring.options import GridOptions
from frameweave.measuring.report.baseline import baseline_of, overview_table
from frameweave.measuring.report.differences import Baseline, baseline_table
from frameweave.measuring.report.reading import read_results
from frameweave.measuring.report.report import report
from frameweave.runs.settings import write_toml
from frameweave.video.clip import Clip
from results_folder import write_results

N = 12
VALUES: dict[tuple[str, str, str], list[float | None]] = {
    ("tokenflow", "without", "warp_error"): [0.2 + 0.01 * k for k in range(N)],
    ("tokenflow", "with", "warp_error"): [0.2 + 0.01 * k + 0.01 * (-1) ** k for k in range(N)],
    ("delta", "without", "warp_error"): [0.1 + 0.01 * k + 0.001 * (k % 2) for k in range(N)],
    ("tokenflow", "without", "clip_score"): [60.0 + k for k in range(N)],
    ("delta", "without", "clip_score"): [58.0 + k + 0.1 * (k % 2) for k in range(N)],
    ("reference", "blurred", "warp_error"): [0.01] * N,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Edits of 4 frames; delta takes half of tokenflow's 2 seconds."""
    folder = write_results(tmp_path / "run", VALUES)
    cells = [json.loads(line) for line in (folder / "cells.jsonl").read_text().splitlines()]
    for cell in cells:
        cell |= {"frames": 4, "seconds": 1.0 if cell["editor"] == "delta" else 2.0}
    (folder / "cells.jsonl").write_text("".join(json.dumps(cell) + "\n" for cell in cells))
    return folder


def test_each_editor_is_paired_with_the_baseline(folder: Path) -> None:
    results = read_results(folder)
    table = baseline_table(results, results.metrics[:2], Baseline(editor="tokenflow", arm="without"))
    assert [words for words, _ in table.rows] == [
        ("tokenflow", "with", "Warp error ↓"),
        ("delta", "without", "Warp error ↓"),
        ("delta", "without", "CLIP score [miniature-clip] ↑"),
    ]
    noisy, warp, clip = (row for _, row in table.rows)
    assert warp[0].value == pytest.approx(-0.0995) and warp[0].bold and warp[0].note == "✓"
    assert clip[0].value == pytest.approx(-1.95) and clip[0].note == "✗"
    assert not noisy[0].bold
    assert warp[1].value == pytest.approx(2 / 2**N)
    assert warp[2].value == pytest.approx(3 * 2 / 2**N)  # Holm over the three tests
    assert "over 3 tests" in table.notes[0]
    assert table.title == "Paired differences to tokenflow, without"


def test_the_overview_has_cost_means_and_differences(folder: Path) -> None:
    results = read_results(folder)
    table = overview_table(results, results.metrics[:2], baseline_of(results, "tokenflow"))
    rows = dict(table.rows)
    assert next(iter(rows)) == ("tokenflow", "without")
    seconds, times, warp, clip = rows["tokenflow", "without"]
    assert (seconds.value, times.value) == (0.5, 1.0)
    assert warp.value == pytest.approx(0.255) and not warp.signed and clip.value == pytest.approx(65.5)
    seconds, times, warp, _ = rows["delta", "without"]
    assert (seconds.value, times.value) == (0.25, 0.5)
    assert warp.value == pytest.approx(-0.0995) and warp.signed and warp.interval is not None
    blurred = rows["reference", "blurred"]
    assert blurred[2].value == pytest.approx(0.01 - 0.255) and blurred[3].reason == "no clip in common"


def test_the_cost_holds_the_inversion_wherever_it_was_made(folder: Path) -> None:
    cells = [json.loads(line) for line in (folder / "cells.jsonl").read_text().splitlines()]
    for cell in cells:
        cell |= {"inversion_recalled": cell["editor"] == "delta"}
    known = [cell | {"inversion_seconds": 3.0} for cell in cells if cell["editor"] == "delta"]
    costs: list[float | None] = []
    for lines in (cells, [*known, *(cell for cell in cells if cell["editor"] != "delta")]):
        (folder / "cells.jsonl").write_text("".join(json.dumps(cell) + "\n" for cell in lines))
        costs.append(read_results(folder).seconds_per_frame("delta", "without"))
    assert costs == [None, (1.0 + 3.0) / 4]  # an earlier run did not note it


def test_arms_are_compared_with_the_same_arm(tmp_path: Path) -> None:
    """Edits that were made steadier stand beside such edits only."""
    values: dict[tuple[str, str, str], list[float | None]] = {
        ("tokenflow", "without", "warp_error"): [0.4] * 3,
        ("tokenflow", "steadied", "warp_error"): [0.2] * 3,
        ("delta", "without", "warp_error"): [0.3] * 3,
        ("delta", "steadied", "warp_error"): [0.25] * 3,
        ("delta", "other", "warp_error"): [0.1] * 3,
    }
    results = read_results(write_results(tmp_path, values))
    table = overview_table(results, results.metrics[:1], baseline_of(results, "tokenflow"))
    shown = {words: entries[2] for words, entries in table.rows}
    assert [round(entry.value or 0, 6) for entry in shown.values()] == [0.4, 0.2, -0.1, 0.05, -0.3]
    assert [entry.signed for entry in shown.values()] == [False, False, True, True, True]
    differences = baseline_table(results, results.metrics[:1], Baseline(editor="tokenflow"))
    assert [words[:2] for words, _ in differences.rows] == [
        ("delta", "without"),
        ("delta", "steadied"),
        ("delta", "other"),
    ]


def test_an_arm_may_be_the_baseline_and_unknown_ones_are_told(folder: Path) -> None:
    results = read_results(folder)
    assert baseline_of(results, "tokenflow:with") == Baseline(editor="tokenflow", arm="with")
    with pytest.raises(InputError, match="unknown baseline editor 'tokenflo'.*did you mean tokenflow"):
        baseline_of(results, "tokenflo")
    with pytest.raises(InputError, match="unknown arm of the baseline delta 'with', expected one of without"):
        baseline_of(results, "delta:with")


def test_the_report_draws_them_and_takes_the_grids_own(folder: Path, tmp_path: Path) -> None:
    page = report([folder], tmp_path / "none")
    assert "All editors beside" not in page.read_text()
    report([folder], tmp_path / "asked", "tokenflow")
    assert (tmp_path / "asked" / "tables" / "editors.md").is_file()
    assert (tmp_path / "asked" / "tables" / "editors_differences.csv").is_file()
    assert (tmp_path / "asked" / "figures" / "editors.png").is_file()
    write_toml(folder / "run.toml", {"command": "grid", "settings": {"baseline": "delta"}, "environment": {}})
    assert "All editors beside delta" in report([folder], tmp_path / "own").read_text()


def test_all_edits_of_some_clips_are_drawn(tmp_path: Path) -> None:
    def video(path: Path, number: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Clip.of(torch.full((2, 3, 16, 16), number / 8)).write(path)

    folder = write_results(tmp_path / "run", VALUES, videos=video)
    report([folder], baseline="tokenflow")
    drawn = sorted(path.name for path in (folder / "figures").glob("strip-editors-*.svg"))
    assert drawn == [f"strip-editors-{pair}.svg" for pair in ("000", "004", "008")]
    said = (folder / "figures" / drawn[0]).read_text()
    for name in ("source", "tokenflow", "tokenflow, with", "delta", "true edit"):
        assert f"<!-- {name} -->" in said


def test_a_grid_refuses_a_baseline_that_it_does_not_edit(tmp_path: Path) -> None:
    options = GridOptions(editors=("framewise",), baseline="tokenflow", out=tmp_path / "run")
    with pytest.raises(InputError, match="unknown baseline editor 'tokenflow'"):
        grid(None, options)
    with pytest.raises(InputError, match="unknown arm of the baseline framewise 'nothing'"):
        grid(None, options.replaced(baseline="framewise:nothing"))
    assert not (tmp_path / "run").exists()
