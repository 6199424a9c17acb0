"""Tables whose figures are known, and read back from each format."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from frameweave.measuring.report.differences import difference_table
from frameweave.measuring.report.formats import FORMATS, number
from frameweave.measuring.report.reading import read_results
from frameweave.measuring.report.results import Results
from frameweave.measuring.report.table import Entry, Table
from frameweave.measuring.report.tables import cost_table, main_table
from results_folder import write_results

N = 12
VALUES: dict[tuple[str, str, str], list[float | None]] = {
    ("vidtome", "without", "warp_error"): [0.2 + 0.01 * k for k in range(N)],
    ("vidtome", "with", "warp_error"): [0.1 + 0.01 * k + 0.001 * (k % 2) for k in range(N)],
    ("vidtome", "without", "clip_score"): [60 + k for k in range(N)],
    ("vidtome", "with", "clip_score"): [60 + k + (1.5 if k % 2 else -1) for k in range(N)],
    ("vidtome", "without", "lpips_source"): [1.0] * N,
    ("vidtome", "with", "lpips_source"): [None] * N,
    ("reference", "blurred", "warp_error"): [0.01] * N,
}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return read_results(write_results(tmp_path, VALUES))


def test_means_and_what_is_bold(results: Results) -> None:
    table = main_table(results, results.metrics)
    rows = dict(table.rows)
    without, adapted = rows["vidtome", "without"], rows["vidtome", "with"]
    assert without[0].value == pytest.approx(0.255) and not without[0].bold
    assert adapted[0].value == pytest.approx(0.1555) and adapted[0].bold and not adapted[0].note
    # CLIP: with is better by 0.25, which cannot be told from zero
    assert adapted[1].bold and without[1].bold and without[1].note == "†" and not adapted[1].note
    assert adapted[2].value is None and adapted[2].reason == "needs a source"
    blurred = rows["reference", "blurred"]
    assert not blurred[0].bold and blurred[1].reason == "not measured"
    interval = without[0].interval
    assert interval is not None and interval[0] < 0.255 < interval[1]


def test_arms_that_were_made_steadier_are_compared_among_themselves(tmp_path: Path) -> None:
    arms = {"without": 0.3, "with": 0.2, "steadier": 0.1, "both": 0.05}
    values = {
        ("vidtome", arm, "warp_error"): [mean + 0.01 * k for k in range(N)] for arm, mean in arms.items()
    }
    asked = ["with=miniature", "steadier=none,steady", "both=miniature@0.5,steady=0.5,tokens"]
    found = read_results(write_results(tmp_path, values))
    for name in ("arms", "runs/a: arms"):  # of one folder, and of several that are reported together
        steadied = replace(found, run=replace(found.run, settings={name: asked}))
        assert steadied.steadied == {"steadier", "both"}
        table = main_table(steadied, steadied.metrics)
        assert [arm for (_, arm), row in table.rows if row[0].bold] == ["with", "both"]
        assert any("Made steadier afterwards: steadier, both." in note for note in table.notes)
    assert not any("steadier" in note for note in main_table(found, found.metrics).notes)


def test_an_arm_that_lacks_the_hard_clips_is_no_better_for_it(tmp_path: Path) -> None:
    """The second arm is worse on each clip that both have; its own mean is the smaller one."""
    hard: list[float | None] = [0.1] * 10 + [0.9, 0.9]
    lacking: list[float | None] = [0.11] * 10 + [None, None]
    values = {("vidtome", "without", "warp_error"): hard, ("vidtome", "with", "warp_error"): lacking}
    results = read_results(write_results(tmp_path, values))
    table = main_table(results, results.metrics[:1])
    without, adapted = (row[0] for _, row in table.rows)
    assert without.value is not None and adapted.value is not None and adapted.value < without.value
    assert without.bold and not adapted.bold
    assert (
        "vidtome, Warp error: means of 12 (without), 10 (with) clips, of which 10 are common"
        in table.notes[1]
    )


def test_differences(results: Results) -> None:
    table = difference_table(results, results.metrics)
    assert [words for words, _ in table.rows] == [
        ("vidtome", "with", "Warp error ↓"),
        ("vidtome", "with", "CLIP score [miniature-clip] ↑"),
    ]
    warp, clip = (row for _, row in table.rows)
    assert warp[0].value == pytest.approx(-0.0995) and warp[0].bold and warp[0].note == "✓"
    assert warp[1].value == pytest.approx(2 / 2**N)
    assert warp[2].value == pytest.approx(2 * 2 / 2**N)  # Holm, two tests
    assert warp[3].value == pytest.approx(2 / 2**N)  # all sign flips
    assert [entry.value for entry in warp[4:7]] == [12, 0, 0]
    assert clip[0].value == pytest.approx(0.25) and not clip[0].bold and not clip[0].note
    assert [entry.value for entry in clip[4:7]] == [6, 0, 6]
    assert clip[1].value == 1.0
    assert table.notes[0].endswith("over 2 tests.")
    other = [info.model_copy(update={"family": "other"}) for info in results.metrics]
    assert "Holm" not in difference_table(results, other).notes[0]  # nothing is tested there


def test_several_seeds_have_a_column(tmp_path: Path) -> None:
    """Differences -0.1 and -0.3 of one pair, both seeds: their standard deviation is sqrt(0.02)."""
    values: dict[tuple[str, str, str], list[float | None]] = {
        ("vidtome", "without", "warp_error"): [0.5, 0.5],
        ("vidtome", "with", "warp_error"): [0.4, 0.4],
        ("vidtome", "without", "clip_score"): [60.0, 60.0],
        ("vidtome", "with", "clip_score"): [61.0, 61.0],
    }
    folder = write_results(tmp_path, values)
    line = {"pair": "000", "seed": 1, "editor": "vidtome", "metric": "warp_error"}
    with (folder / "scores.jsonl").open("a") as file:
        for arm, value in (("without", 0.5), ("with", 0.2)):
            file.write(json.dumps({**line, "arm": arm, "value": value}) + "\n")
    results = read_results(folder)
    table = difference_table(results, results.metrics[:2])
    assert table.columns[-1] == "SD over seeds"
    (_, warp), (_, clip) = table.rows
    assert warp[-1].value == pytest.approx(0.02**0.5) and clip[-1].reason == "one seed"
    assert warp[0].value == pytest.approx(-0.15) and warp[0].interval is None  # clips: -0.2 and -0.1
    assert "Fewer than 3 clips: no intervals" in table.notes[0]


def test_cost(results: Results) -> None:
    rows = dict(cost_table(results).rows)
    assert [entry.value for entry in rows["vidtome", "with"]] == [2.0, None, 0.5, 1.0]


def test_numbers() -> None:
    assert number(Entry(value=1.23456, digits=2)) == "1.23"
    assert number(Entry(value=0.5, digits=1, interval=(0.25, 0.75))) == "0.5 [0.2, 0.8]"
    assert number(Entry(reason="why")) == "–"
    assert number(Entry(value=0.00004, digits=4)) == "<0.0001" and number(Entry(value=0.0)) == "0.0000"


def test_csv_holds_every_figure_in_full(results: Results) -> None:
    table = main_table(results, results.metrics)
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](table))))
    assert float(rows[0]["Warp error ↓"]) == table.rows[0][1][0].value
    assert float(rows[0]["Warp error ↓ low"]) < 0.255 < float(rows[0]["Warp error ↓ high"])
    assert rows[1]["LPIPS to source"] == "" and rows[1]["LPIPS to source reason"] == "needs a source"


def test_markdown_is_a_table(results: Results) -> None:
    text = FORMATS["md"](main_table(results, results.metrics))
    body = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count(" | ") for line in body} == {4}
    assert "**0.155 [" in text or "**0.156 [" in text
    assert "–: needs a source; not measured." in text


def test_a_name_with_line_ends_and_bars_is_one_cell() -> None:
    table = Table(
        title="t", stubs=("name",), columns=("a",), rows=((("x\n| y",), (Entry(value=1.0, digits=0),)),)
    )
    assert "| x \\| y | 1 |" in FORMATS["md"](table).splitlines()


def test_latex_escapes_and_balances(results: Results) -> None:
    text = FORMATS["tex"](difference_table(results, results.metrics))
    assert r"95 \% interval" in text and r"d\_z" in text and r"$\downarrow$" in text
    assert text.count("{") == text.count("}")
    assert "$-$0.0995 [$-$" in text and not re.search(r"(?<!\$)-\d", text)
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")].splitlines()[1:]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body if line} == {11}


class Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.values: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.values += [value for name, value in attrs if name == "data-value" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_html_is_well_formed_and_carries_values(results: Results) -> None:
    table = main_table(results, results.metrics)
    cells = Cells()
    cells.feed(FORMATS["html"](table))
    assert not cells.open
    assert cells.values[0] == repr(table.rows[0][1][0].value)
    assert "vidtome" in cells.words


def test_an_ablation_is_compared_with_the_whole(tmp_path: Path) -> None:
    values = {**VALUES, ("vidtome", "without depth", "warp_error"): [0.3 + 0.01 * k for k in range(N)]}
    results = read_results(write_results(tmp_path, values, command="ablation"))
    table = difference_table(results, results.metrics[:1], against="with", arms=["without depth"])
    (words, row), *others = table.rows
    assert not others and words[:2] == ("vidtome", "without depth")
    assert row[0].value == pytest.approx(0.1995) and row[0].note == "✗"
