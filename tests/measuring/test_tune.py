"""Tuning, as a whole job on the Miniature: trials, the record, the adaptor that comes out, and resuming."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.errors import InputError
from frameweave.measuring.experiments.tuning import NOTHING
from frameweave.measuring.options import TuneOptions
from frameweave.measuring.tune import RECORD, tune
from frameweave.world.clips import held_out_clips


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> TuneOptions:
    return TuneOptions(
        clips=3,
        frames=2,
        steps=3,
        editors=("framewise",),
        bands=("0.9-1", "0.3-0.9"),
        strengths=(1.0, 2.0),
        workers=0,
        out=tmp_path_factory.mktemp("tune") / "run",
    )


def test_each_band_is_searched_and_the_best_is_kept(options: TuneOptions) -> None:
    done = tune("miniature", None, options)
    record = [json.loads(line) for line in (options.out / RECORD).read_text().splitlines()]
    tokens, first, second = record[0], record[1:3], record[3:]
    assert (tokens["schedule"], tokens["tokens"]) == (NOTHING, True)
    with_tokens = tokens["worth"] > 0
    assert [row["schedule"] for row in first] == ["0.9-1:1", "0.9-1:2"]
    assert {row["tokens"] for row in record[1:]} == {with_tokens}
    best = max(first, key=lambda row: row["worth"])
    kept = best["schedule"] if best["worth"] > max(0, tokens["worth"]) else ""
    assert [row["schedule"] for row in second] == [
        ",".join(filter(None, [kept, f"0.3-0.9:{strength}"])) for strength in (1, 2)
    ]
    top = max(record, key=lambda row: row["worth"])
    expected = top["schedule"] if top["worth"] > 0 else NOTHING
    card, before = load_adaptor(str(done.adaptor)).card, load_adaptor("miniature").card
    assert done.strength_schedules == {"framewise": expected}
    assert card.strength_schedules == before.strength_schedules | done.strength_schedules
    assert done.tokens_for == (["framewise"] if with_tokens else [])
    assert card.tokens_for == sorted([*before.tokens_for, *done.tokens_for])
    assert (done.worths["framewise"], True) == (max(0, top["worth"]), top["chosen"] or top["worth"] <= 0)
    for row in record:
        warp, clip = row["gains"]
        assert row["worth"] == (warp["sure"] if clip["t"] >= -1 else min(warp["sure"], clip["sure"]))
    assert {one["metric"] for row in record for one in row["gains"]} == {"warp_error", "clip_score"}


def test_again_edits_nothing_and_says_the_same(options: TuneOptions) -> None:
    cells = {path: path.stat().st_mtime_ns for path in (options.out / "cells").iterdir()}
    assert len(cells) >= 18  # without and five trials of three clips, and the references
    before = load_adaptor(str(options.out / "adaptor")).card
    again = tune("miniature", None, options)
    assert {path: path.stat().st_mtime_ns for path in (options.out / "cells").iterdir()} == cells
    assert load_adaptor(str(again.adaptor)).card == before


@pytest.mark.parametrize(
    ("gains", "tokens_for", "schedule"),
    [
        ((3, 2, 1), ["framewise", "vidtome"], NOTHING),
        ((3, 2, 4), ["framewise", "vidtome"], "0.3-0.9:2"),
        ((-1, 2, 1), ["vidtome"], "0.3-0.9:1"),
        ((-1, -2, -1), ["vidtome"], NOTHING),
    ],
    ids=["tokens alone", "both", "LoRA alone", "nothing"],
)
def test_what_gains_most_is_kept(
    gains: tuple[float, ...],
    tokens_for: list[str],
    schedule: str,
    options: TuneOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With gains that are made up: of the tokens, then of a band at two strengths beside what was kept."""
    whole = load_adaptor("miniature")
    others = replace(
        whole.card, tokens_for=["framewise", "vidtome"], strength_schedules={"vidtome": "0.9-1:1"}
    )
    replace(whole, card=others).save(tmp_path / "adaptor")
    told = iter(gains)
    monkeypatch.setattr("frameweave.measuring.tune.worth", lambda _gains, _guards: next(told))
    asked = options.replaced(bands=("0.3-0.9",), cells=options.out / "cells", out=tmp_path / "run")
    done = tune(str(tmp_path / "adaptor"), None, asked)
    card = load_adaptor(str(done.adaptor)).card
    assert card.tokens_for == tokens_for
    assert done.tokens_for == [name for name in tokens_for if name == "framewise"]
    assert card.strength_schedules == {"vidtome": "0.9-1:1", "framewise": schedule}
    record = [json.loads(line) for line in (tmp_path / "run" / RECORD).read_text().splitlines()]
    assert [row["tokens"] for row in record] == [True, *[gains[0] > 0] * 2]
    assert [row["worth"] for row in record] == list(gains)


def test_without_tokens_only_the_lora_is_tried(options: TuneOptions, tmp_path: Path) -> None:
    whole = load_adaptor("miniature")
    replace(whole, card=replace(whole.card, tokens_for=["framewise", "vidtome"])).save(tmp_path / "adaptor")
    asked = options.replaced(tokens=False, bands=("0.9-1",), strengths=(1.0,))
    asked = asked.replaced(cells=options.out / "cells", out=tmp_path / "run")
    done = tune(str(tmp_path / "adaptor"), None, asked)
    assert done.tokens_for == [] and load_adaptor(str(done.adaptor)).card.tokens_for == ["vidtome"]
    record = [json.loads(line) for line in (tmp_path / "run" / RECORD).read_text().splitlines()]
    assert [(row["schedule"], row["tokens"]) for row in record] == [("0.9-1:1", False)]


def test_tokens_without_a_vision_tower_are_told_before_hours_of_work(
    options: TuneOptions, tiny_folder: Path, tmp_path: Path
) -> None:
    table = tmp_path / "edits.csv"
    table.write_text("\n".join(["video,prompt", *(f"{number}.mp4,a red car" for number in range(3))]))
    for number in range(3):
        held_out_clips()[number].rendered(2).write(tmp_path / f"{number}.mp4")
    copied = tmp_path / "model"
    shutil.copytree(tiny_folder, copied, ignore=shutil.ignore_patterns("clip"))
    asked = options.replaced(model=str(copied), backbones="miniature", out=tmp_path / "run")
    with pytest.raises(InputError, match="tokens of the adaptor act in framewise, .* no vision tower"):
        tune("miniature", table, asked)
    assert not asked.out.exists()


def test_bands_that_overlap_are_told_before_hours_of_work(options: TuneOptions, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="overlap"):
        tune("miniature", None, options.replaced(bands=("0.5-1", "0.3-0.6"), out=tmp_path / "x"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"strengths": ()}, "no --strengths"),
        ({"bands": ()}, "no --bands"),
        ({"bands": ("0.9-1", "foo")}, "--bands 'foo', expected two shares of T"),
        ({"strengths": (1.0, 3.0)}, "strength 3"),
        ({"metrics": ()}, "no --metrics"),
        ({"guards": ("clip_scor",)}, "did you mean clip_score"),
        ({"metrics": ("warp_eror",)}, "did you mean warp_error"),
        ({"metrics": ("flow_share",)}, "unknown metric to choose by 'flow_share'"),
        ({"clips": 2}, "2 clips to choose by, expected at least 3"),
        ({"frames": 1}, "warp_error needs two frames, which not all clips have here"),
        ({"shard_index": 0, "num_shards": 2}, "leave the shards out"),
    ],
)
def test_what_makes_no_sense_is_told_too(
    change: dict[str, object], said: str, options: TuneOptions, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        tune("miniature", None, options.replaced(out=tmp_path / "run", **change))  # pyright: ignore
    assert not (tmp_path / "run").exists()


def test_a_metric_that_some_clip_cannot_have_chooses_nothing(options: TuneOptions, tmp_path: Path) -> None:
    table = tmp_path / "edits.csv"
    lines = ["video,prompt"]
    for number in range(3):  # videos of which nobody knows the true edit
        held_out_clips()[number].rendered(2).write(tmp_path / f"{number}.mp4")
        lines.append(f"{number}.mp4,a red car in the snow")
    table.write_text("\n".join(lines))
    asked = options.replaced(bands=("0.9-1",), strengths=(2.0,), metrics=("psnr_truth",))
    with pytest.raises(InputError, match="psnr_truth needs the true edit, which not all clips have here"):
        tune("miniature", table, asked.replaced(out=tmp_path / "run"))


def test_further_passes_try_every_band_again_and_edits_obey_the_choice(
    options: TuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With made-up gains: the second pass raises the band, the third changes nothing."""
    told = iter((3, 1, 2, 4, 1, 2))
    monkeypatch.setattr("frameweave.measuring.tune.worth", lambda _gains, _guards: next(told))
    asked = options.replaced(tokens=False, passes=3, bands=("0.3-0.9",))
    asked = asked.replaced(cells=options.out / "cells", out=tmp_path / "run")
    done = tune("miniature", None, asked)
    record = [json.loads(line) for line in (tmp_path / "run" / RECORD).read_text().splitlines()]
    assert [row["schedule"] for row in record] == [
        *("0.3-0.9:1", "0.3-0.9:2"),
        *(NOTHING, "0.3-0.9:2"),
        *(NOTHING, "0.3-0.9:1"),
    ]
    assert done.strength_schedules == {"framewise": "0.3-0.9:2"}
    use = load_adaptor(str(done.adaptor)).use("framewise")
    assert [use.strengths.at(t) for t in (950, 500)] == [0.0, 2.0]
