"""Figures: what they draw, read back from the SVG's own words, and the same bytes every time."""

import io
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from frameweave.measuring.records import LossLine, SweepLine
from frameweave.measuring.report import figures
from frameweave.measuring.report.figures import Drawn, curves, forest, scatter, strips, sweep
from frameweave.measuring.report.reading import read_results
from frameweave.measuring.report.results import Results
from results_folder import write_results

N = 12
BETTER, WORSE, OPEN = "#1b7f4d", "#b3372f", "#666666"


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return read_results(
        write_results(
            tmp_path,
            {
                ("vidtome", "without", "warp_error"): [0.2 + 0.01 * k for k in range(N)],
                ("vidtome", "with", "warp_error"): [0.1 + 0.01 * k + 0.001 * (k % 2) for k in range(N)],
                ("tokenflow", "without", "warp_error"): [0.1] * N,
                ("tokenflow", "with", "warp_error"): [0.3, *[0.1] * (N - 1)],
                ("tokenflow", "without", "clip_score"): [60.0, 61.0] * (N // 2),
                ("tokenflow", "with", "clip_score"): [50.0, 50.5] * (N // 2),
            },
        )
    )


def words(drawn: Drawn) -> list[str]:
    """What an SVG says: matplotlib keeps each text as a comment above its outlines."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    root = ET.fromstring(drawn.svg, parser)
    return [(node.text or "").strip() for node in root.iter() if node.tag is ET.Comment]


def count(drawn: Drawn, colour: str) -> int:
    return drawn.svg.decode().count(colour)


def test_forest_names_and_colours(results: Results) -> None:
    drawn = forest(results, results.metrics[:2])
    assert {"vidtome", "tokenflow", "Warp error ↓", "CLIP score ↑"} <= set(words(drawn))
    assert count(drawn, BETTER) and count(drawn, WORSE) and count(drawn, OPEN)
    picture = Image.open(io.BytesIO(drawn.png))
    assert picture.width == pytest.approx(drawn.width * 150 / 96, abs=2)


def test_scatter_of_clips_without_change_is_grey(results: Results) -> None:
    def points(editor: str) -> tuple[int, ...]:
        own = Results(
            folder=results.folder,
            run=results.run,
            metrics=results.metrics,
            pairs=results.pairs,
            cells=(),
            scores=tuple(line for line in results.scores if line.editor == editor),
            pooled=(),
        )
        drawn = scatter(own, results.metrics[0], "with")
        return tuple(count(drawn, f"fill: {colour}") > 0 for colour in (BETTER, WORSE, OPEN))

    assert points("vidtome") == (True, False, False)
    assert points("tokenflow") == (False, True, True)


def test_strips_show_the_same_frames_of_clips_of_any_length() -> None:
    long, short = (np.random.default_rng(0).integers(0, 255, (n, 8, 8, 3), np.uint8) for n in (9, 3))
    said = words(strips({"source": long, "with": short}, "a red car"))
    assert [word for word in said if word.startswith("frame")] == ["frame 0", "frame 1", "frame 2"]
    assert {"a red car", "source", "with", "x-t slice", "change"} <= set(said)
    said = words(strips({"source": long}, "a red car", count=5))
    assert [word for word in said if word.startswith("frame")] == [f"frame {n}" for n in (0, 2, 4, 6, 8)]


def test_sweep_orders_windows_by_number_and_leaves_gaps(results: Results) -> None:
    rows = [
        SweepLine(train=(0.9, 1.0), inference=(0.9, 1.0), metric="m", value=0.25),
        SweepLine(train=(0, 1.0), inference=(0.9, 1.0), metric="m", value=0.75),
        SweepLine(train=(0, 1.0), inference=(0, 1.0), metric="m", value=None),
    ]
    said = words(sweep(rows, results.metrics[0]))
    assert [word for word in said if "–" in word] == ["0–1", "0.9–1"] * 2
    assert {"0.250", "0.750"} <= set(said)


@pytest.mark.filterwarnings("error")
def test_curves_have_a_panel_for_each_stage() -> None:
    log = [{"stage": "tokens", "step": k, "noise": 1 / k, "rate": 0.1} for k in range(1, 5)]
    log += [{"stage": "lora", "step": k, "noise": 1 / k, "temporal": 0.0} for k in range(1, 5)]
    log[-1] |= {"held_out_noise": 0.3, "held_out_similarity": 0.9}
    said = words(curves([LossLine.from_json(line, where="log: ") for line in log]))
    assert {"stage tokens", "stage lora", "noise", "held out noise"} <= set(said)
    assert not {"rate", "held out similarity", "temporal"} & set(said)  # zeros have no logarithm


def test_the_same_bytes(results: Results) -> None:
    first, second = (figures.scatter(results, results.metrics[0], "with") for _ in range(2))
    assert (first.png, first.svg) == (second.png, second.svg)
