"""A metric of another package: one file and an entry point, and it stands in every output."""

import json
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from frameweave.measuring.evaluate import evaluate
from frameweave.measuring.experiments import measures
from frameweave.measuring.grid import grid
from frameweave.measuring.options import EvaluateOptions, GridOptions
from frameweave.measuring.report.reading import read_results
from frameweave.world.clips import held_out_clips

SHARPNESS = '''
"""How sharp a clip is."""

from frameweave.measuring.metrics.base import Case, Metric


def sharpness(case: Case) -> float:
    frames = case.edited.frames
    return float((frames[..., 1:] - frames[..., :-1]).abs().mean())


def metrics(networks):
    yield Metric(
        name="sharpness",
        title="Sharpness",
        better="higher",
        digits=4,
        definition="Mean absolute difference of neighbouring pixels.",
        needs=frozenset(),
        measure=sharpness,
    )
'''
SMALL = GridOptions(clips=1, frames=2, steps=1, editors=("framewise",), arms=(), workers=0)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path, None, None]:
    """A folder of installed packages, which is empty at first; metrics are looked for anew."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    measures._measures.cache_clear()  # pyright: ignore[reportPrivateUsage]


def install(site: Path, name: str, text: str) -> None:
    (site / f"{name}.py").write_text(text)
    (site / f"{name}-1.dist-info").mkdir()
    (site / f"{name}-1.dist-info" / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"
    )
    (site / f"{name}-1.dist-info" / "entry_points.txt").write_text(
        f"[frameweave.metrics]\n{name} = {name}:metrics\n"
    )
    measures._measures.cache_clear()  # pyright: ignore[reportPrivateUsage]


def scores_of(out: Path) -> dict[str, dict[str, object]]:
    """What is kept of each cell, by its key and the metrics' names."""
    return {
        file.name: {score["metric"]: score["value"] for score in json.loads(file.read_text())["scores"]}
        for file in (out / "scores").glob("*.json")
    }


def test_a_metric_is_one_file(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = SMALL.replaced(out=tmp_path / "grid")
    assert grid(None, options).failed == {}
    before = scores_of(options.out)
    install(site, "sharpness", SHARPNESS)

    video = tmp_path / "clip.mp4"
    held_out_clips()[0].rendered(2).write(video)
    done = evaluate(video, EvaluateOptions(out=tmp_path / "evaluated"))
    assert done.means["Sharpness"] > 0
    assert "sharpness" in (tmp_path / "evaluated" / "scores.csv").read_text()

    # a finished grid measures nothing but what is new
    looked: list[object] = []
    monkeypatch.setattr("frameweave.measuring.metrics.clip_score.clip_score", looked.append)
    assert grid(None, options).failed == {}
    assert looked == []
    after = scores_of(options.out)
    assert {key: {**kept, "sharpness": after[key]["sharpness"]} for key, kept in before.items()} == after
    results = read_results(options.out)
    assert results.values("framewise", "without", "sharpness").keys() == {"000"}
    assert [info.name for info in results.metrics if info.title == "Sharpness"] == ["sharpness"]


def test_a_broken_package_is_a_warning(site: Path) -> None:
    install(site, "broken_metric", "import nothing_of_that_name")
    with pytest.warns(UserWarning, match="metrics of broken_metric cannot be used.*nothing_of_that_name"):
        found = measures.Backbones(kind="miniature").measures()
    assert "warp_error" in [metric.name for metric in found.each]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def metrics(networks): raise ValueError('odd')", "cannot be used: odd"),
        ("raise SystemExit('no licence')", "cannot be used: no licence"),
        ("def metrics(networks): yield 3", "cannot be used: int in place of a Metric"),
        (SHARPNESS.replace('name="sharpness"', 'name="warp_error"'), "the metric's name warp_error is taken"),
    ],
)
def test_metrics_that_cannot_be_taken_are_a_warning(
    text: str, told: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = [metric.name for metric in measures.Backbones(kind="miniature").measures().each]
    monkeypatch.delitem(sys.modules, "odd_metric", raising=False)
    install(site, "odd_metric", text)
    with pytest.warns(UserWarning, match=told):
        found = measures.Backbones(kind="miniature").measures()
    assert [metric.name for metric in found.each] == usual


def test_a_metric_that_gives_nothing_costs_itself(site: Path, tmp_path: Path) -> None:
    install(site, "none_metric", SHARPNESS.replace("    return float(", "    0 * float("))
    video = tmp_path / "clip.mp4"
    held_out_clips()[0].rendered(2).write(video)
    done = evaluate(video, EvaluateOptions(out=tmp_path / "evaluated"))
    assert "Sharpness" in done.reasons and done.means and not done.failed
