"""The study's commands, from runs to a report."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from frameweave.errors import DataError, InputError, RunError
from frameweave.progress import Notes
from frameweave.study.folder import read_design
from frameweave.study.new import new_study
from frameweave.study.options import StudyNewOptions, StudyReportOptions
from frameweave.study.power import powers
from frameweave.study.results.report import study_report
from frameweave.study.server.storage import Choice, Store
from frameweave.video.clip import Clip
from studies import SMALL, small_run, small_study


def answered(folder: Path, chance: float, raters: int = 8) -> None:
    """Simulated raters who prefer the adaptor with that chance, and pass their checks."""
    design, rng = read_design(folder), random.Random(1)
    store = Store(f"sqlite:///{folder}/answers.sqlite", design)
    for _ in range(raters):
        rater = store.rater(store.enrol("Firefox"))
        assert rater is not None
        while given := store.upcoming(rater):
            trial = given[0].trial
            prefers = 1 if trial.kind == "obvious" else int(rng.random() < chance)
            side: Choice = "left" if prefers == trial.left else "right"
            store.answer(rater, given[0].id, dict.fromkeys(design.criteria, side), milliseconds=3000, loops=2)
    store.close()


def test_a_new_study_tells_raters_and_power(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run", clips=6)
    planned = new_study([run], SMALL.replaced(clips=3, out=tmp_path / "study"))
    assert (planned.pairs, planned.clips, planned.raters) == (6, 3, 3)  # 6 pairs x 2 / 4 each
    assert [need.share for need in planned.power] == [0.55, 0.6, 0.65, 0.7, 0.75]
    design = read_design(tmp_path / "study")
    assert {pair.systems for pair in design.pairs} == {("without", "with")}
    assert [pair.clip for pair in design.pairs if pair.editor == "tokenflow"] == [
        "clip 0",
        "clip 2",
        "clip 4",
    ]
    names = {name for pair in design.pairs for name in (*pair.media, pair.source)}
    assert len(names) == 18 and {path.name for path in (tmp_path / "study" / "media").iterdir()} > names


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    planned = new_study([run], SMALL.replaced(dry_run=True, out=tmp_path / "study"))
    assert planned.folder is None and planned.pairs == 8 and not (tmp_path / "study").exists()


def test_power_counts_every_test_that_is_corrected_for(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run", arms=("without", "with", "strong"))
    pairs = ("without:with", "without:strong", "with:strong")
    planned = new_study([run], SMALL.replaced(systems=pairs, dry_run=True, out=tmp_path / "study"))
    assert planned.pairs == 3 * 8
    assert planned.power == powers(4, SMALL.per_pair, tests=2 * 3 * 3)  # editors, pairs of arms, criteria


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"systems": ("without",)}, "first:second"), ({"systems": ("without:nobody",)}, "no two edits"),
        ({"editors": ("tokenfow",)}, "tokenflow"), ({"criteria": ("taste",)}, "criterion"),
        ({"per_rater": 0}, "per_rater is 0, expected at least 1"), ({"per_pair": 0}, "for the default, 6"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(change: dict[str, object], said: str, tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    with pytest.raises(InputError) as error:
        new_study([run], SMALL.replaced(out=tmp_path / "study", **change))  # pyright: ignore[reportArgumentType]
    assert said in f"{error.value} {error.value.hint}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"criteria": ("quality", "quality")}, "criteria quality,quality, expected each once"),
        ({"criteria": ()}, "criteria empty"),
        ({"consent": Path("absent.txt")}, "absent.txt: No such file"),
        ({"consent": Path("latin.txt")}, "latin.txt: not UTF-8"),
    ],
)
def test_what_is_wrong_is_told_before_a_video_is_written(
    change: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("latin.txt").write_bytes("Zustimmung für alle".encode("latin-1"))
    run = small_run(tmp_path / "run", clips=1)
    for twice in ([run], [run, run]):
        asked = change if len(twice) == 1 else {}
        with pytest.raises(InputError, match=said if asked else "2 edits by without and with, expected one"):
            new_study(twice, SMALL.replaced(out=tmp_path / "study", **asked))  # pyright: ignore[reportArgumentType]
        assert not (tmp_path / "study").exists()


def test_checks_need_a_source(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run", clips=1)
    lines = (run / "pairs.jsonl").read_text().replace('"source": "videos/source.mp4"', '"source": null')
    (run / "pairs.jsonl").write_text(lines)
    with pytest.raises(InputError, match="--checks 1, and no clip has a source to spoil; give --checks 0"):
        new_study([run], SMALL.replaced(out=tmp_path / "study"))
    new_study([run], SMALL.replaced(out=tmp_path / "study", checks=0))
    assert read_design(tmp_path / "study").obvious == ()


def test_no_rater_gets_one_check_twice(tmp_path: Path) -> None:
    run, notes = small_run(tmp_path / "run", clips=1, editors=("tokenflow",)), Notes()
    new_study([run], SMALL.replaced(out=tmp_path / "study", checks=2), progress=notes)
    design = read_design(tmp_path / "study")
    assert (len(design.obvious), design.obvious_per_rater) == (1, 1)
    assert "1 checks of attention, not 2: only as many edits have a source" in notes.texts


def test_a_consent_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "consent.txt").write_text("\ufeffI agree.", encoding="utf-8")
    folder = small_study(tmp_path, SMALL.replaced(consent=tmp_path / "consent.txt"), clips=1)
    assert read_design(folder).consent == "I agree."


def test_a_study_is_never_built_over_another(tmp_path: Path) -> None:
    folder = small_study(tmp_path, clips=2)
    with pytest.raises(RunError, match="not empty"):
        new_study([tmp_path / "run"], SMALL.replaced(out=folder))


def test_a_missing_video_leaves_no_study_behind(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    (run / "videos" / "with.mp4").unlink()
    with pytest.raises(DataError, match=r"with\.mp4"):
        new_study([run], SMALL.replaced(out=tmp_path / "study"))
    assert not (tmp_path / "study").exists()
    with pytest.raises(DataError, match=r"design\.json: no study \(No such file or directory\); build"):
        read_design(tmp_path / "study")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: [found], "expected an object"),
        (lambda found: found | {"pairs": {}}, "pairs is {}, expected a list"),
        (lambda found: found | {"per_rater": 0}, "per_rater is 0, expected at least 1"),
        (lambda found: found | {"pairs": [*found["pairs"], 3]}, "pairs, number 5: expected an object"),
        (lambda found: found | {"pairs": [found["pairs"][0] | {"colour": 1}]}, "number 1: an unknown field"),
        (lambda found: found | {"obvious": [found["obvious"][0] | {"better": 2}]}, "number 1: better = 2"),
        (
            lambda found: found | {"pairs": [found["pairs"][0] | {"media": ["a", "../../secret"]}]},
            r"media\.1 = '\.\./\.\./secret'",
        ),
    ],
)  # fmt: skip
def test_a_design_of_another_form(
    study_folder: Path, tmp_path: Path, change: Callable[[Any], object], said: str
) -> None:
    found = json.loads((study_folder / "design.json").read_text())
    (tmp_path / "design.json").write_text(json.dumps(change({**found, "pairs": found["pairs"][:4]})))
    with pytest.raises(DataError, match=rf"design\.json: no study \(.*{said}"):
        read_design(tmp_path)


@pytest.mark.parametrize("text", ["[" * 100_000, "\xff", "{"])
def test_a_design_that_is_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "design.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"design\.json: no study"):
        read_design(tmp_path)


def test_the_report_finds_what_simulated_raters_prefer(tmp_path: Path) -> None:
    options = StudyNewOptions(per_rater=12, per_pair=12, checks=1, repeats=1)
    folder = small_study(tmp_path, options, clips=6)
    answered(folder, 0.8, raters=12)
    done = study_report(folder, StudyReportOptions())
    for one in done.found.preferences:
        assert one.clustered is not None and one.clustered[0] <= 0.8 <= one.clustered[1]
        assert one.share is not None and one.share.n == 72
        assert one.p_clips == pytest.approx(2 / 2**6)  # all six clips agree: no test over so few can say more
    tables = {path.name for path in (done.folder / "tables").iterdir()}
    assert {"preferences.md", "preferences.tex", "preferences.csv", "preferences.html", "raters.md"} <= tables
    assert "with over without" in (done.folder / "tables" / "preferences.md").read_text()
    with Image.open(done.folder / "figures" / "preferences.png") as picture:
        assert picture.width > 600
    assert (done.folder / "figures" / "preferences.svg").read_text().startswith("<?xml")
    page = done.page.read_text()
    assert "12 raters answered, 12 count" in page and "data:image/png" in page and "://" not in page
    rows = json.loads((done.folder / "answers.json").read_text())
    assert len(rows) == 12 * 14 * 3 and {row["preferred"] for row in rows} == {"without", "with", "clean"}
    assert len((done.folder / "answers.csv").read_text().splitlines()) == len(rows) + 1


def test_raters_who_are_left_out_are_named_and_can_be_kept(tmp_path: Path) -> None:
    folder = small_study(tmp_path, SMALL.replaced(per_rater=4, per_pair=4), clips=3)
    answered(folder, 0.5, raters=3)
    store = Store(f"sqlite:///{folder}/answers.sqlite", read_design(folder))
    hasty = store.rater(store.enrol())
    assert hasty is not None
    while given := store.upcoming(hasty):
        store.answer(hasty, given[0].id, dict.fromkeys(("alignment", "quality", "consistency"), "left"))
    store.close()
    done = study_report(folder, StudyReportOptions())
    assert list(done.found.excluded) == [3] and "Rater 3: answered" in done.page.read_text()
    everybody = study_report(folder, StudyReportOptions(everybody=True, out=tmp_path / "all"))
    assert everybody.found.answers == done.found.answers + 12


def test_no_answers_are_no_report(tmp_path: Path) -> None:
    folder = small_study(tmp_path, clips=2)
    with pytest.raises(RunError, match="nobody has answered"):
        study_report(folder, StudyReportOptions())
    with pytest.raises(DataError, match="no study"):
        study_report(tmp_path / "run", StudyReportOptions())


def test_clips_of_one_name_and_other_sources_are_two(tmp_path: Path) -> None:
    """As in two grids of the world's sets, whose clips have numbers."""
    runs = [small_run(tmp_path / name, clips=2) for name in ("a", "b")]
    for source in (runs[1] / "videos").glob("source.mp4"):
        Clip.of(torch.rand(6, 3, 32, 32)).write(source)
    for line in (runs[1] / "pairs.jsonl",):  # or the runs would be the same
        line.write_text(line.read_text().replace('"prompt": "b"', '"prompt": "a (red:1.4) c"'))
    planned = new_study(runs, SMALL.replaced(out=tmp_path / "study"))
    assert (planned.pairs, planned.clips) == (8, 4)
    pairs = read_design(tmp_path / "study").pairs
    assert {pair.clip for pair in pairs} == {"clip 0", "clip 1", "clip 0 (2)", "clip 1 (2)"}
    assert {pair.prompt for pair in pairs} == {"b", "a red c"}  # raters see no weights


def test_checks_are_of_different_clips(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run", clips=2)
    new_study([run], SMALL.replaced(checks=2, out=tmp_path / "two"))
    assert [one.clip for one in read_design(tmp_path / "two").obvious] == ["clip 0", "clip 1"]
    new_study([run], SMALL.replaced(checks=3, out=tmp_path / "three"))
    assert [one.clip for one in read_design(tmp_path / "three").obvious] == ["clip 0", "clip 1", "clip 0"]


def test_a_study_that_was_killed_is_built_again(tmp_path: Path) -> None:
    """After its media were whole, and while they were written; what others put there stays."""
    run, out = small_run(tmp_path / "run"), tmp_path / "study"
    new_study([run], SMALL.replaced(out=out))
    (out / "design.json").unlink()
    (out / ".0a1b2c3d-media").mkdir()
    (out / ".0a1b2c3d-media" / "x.mp4").touch()
    new_study([run], SMALL.replaced(out=out))
    design = read_design(out)
    assert len(list((out / "media").glob("*.mp4"))) == 3 * (len(design.pairs) + len(design.obvious))
    (tmp_path / "other" / "media").mkdir(parents=True)
    (tmp_path / "other" / "media" / "mine.mp4").touch()
    with pytest.raises(RunError, match="not empty"):
        new_study([run], SMALL.replaced(out=tmp_path / "other"))
