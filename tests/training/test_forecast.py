"""Plans: the arithmetic by hand, and a real probe on a tiny model."""

from dataclasses import replace
from pathlib import Path

import pytest

from frameweave.errors import InputError, RunError
from frameweave.training.forecast import Probe, estimates, plan_training, probe
from frameweave.training.options import TrainOptions
from videos import colour_ramp, write_video

PROBE = Probe(
    load=5.0, encode=0.5, micro=2.0, watch=0.25, save=1.0, peak_bytes=2**30, saved_bytes=2**28, flops=4e12
)
OPTIONS = TrainOptions(
    steps=100, tokens_steps=10, accumulate=2, batch=1, watch_every=30, norms_every=50, save_minutes=2.0
)


def test_the_arithmetic_by_hand() -> None:
    tokens, lora, whole = estimates({"tokens": PROBE, "lora": PROBE}, OPTIONS, groups=64, held_out=8)
    work = 10 * 2 * 2.0 + 1 * 8 * 0.25  # micro-steps, one watch at the end
    assert tokens.seconds == pytest.approx(work + (1 + work / 120) * 1.0)
    work = 100 * 2 * 2.0 + 4 * 8 * 0.25 + 2 * 2.0 * 5 / 3  # watches at 30, 60, 90, 100; norms at 50, 100
    assert lora.seconds == pytest.approx(work + (1 + work / 120) * 1.0)
    assert whole.seconds == pytest.approx(tokens.seconds + lora.seconds + 5.0 + (64 + 8) * 0.5)
    assert lora.flops_per_second == pytest.approx(2e12)
    assert whole.peak_bytes == 2**30


def test_micro_steps_that_go_together_are_one_pass() -> None:
    packed = replace(PROBE, at_once=2)
    (lora, _whole), (one, _) = (
        estimates({"lora": found}, OPTIONS.replaced(norms_every=0), groups=64, held_out=8)
        for found in (packed, PROBE)
    )
    work = 100 * 2.0 + 4 * 8 * 0.25
    assert lora.seconds == pytest.approx(work + (1 + work / 120) * 1.0)
    assert lora.flops == one.flops / 2  # of a micro-step


def test_two_groups_take_no_less_than_one() -> None:
    assert PROBE.at(16, replace(PROBE, micro=1.9, peak_bytes=2**29)) == PROBE


def test_few_steps_encode_few_groups() -> None:
    short = OPTIONS.replaced(steps=3)
    *_, few = estimates({"lora": PROBE}, short, groups=64, held_out=8)
    *_, fewer = estimates({"lora": PROBE}, short, groups=4, held_out=8)
    assert few.seconds - fewer.seconds == pytest.approx((6 - 4) * 0.5)


def test_what_does_not_fit_is_told() -> None:
    giant = replace(PROBE, peak_bytes=2**60)
    assert [row.fits for row in estimates({"lora": giant}, OPTIONS, groups=4, held_out=2)] == [False, False]


def test_a_probe_of_the_real_stage(tiny_folder: Path) -> None:
    options = TrainOptions(
        model=str(tiny_folder), device="cpu", threads=1, groups=6, held_out=2, batch=3, accumulate=1, steps=4
    )
    lora, whole = plan_training(options.replaced(stages=("lora",)))
    assert 0 < lora.seconds < whole.seconds
    assert 2**27 < lora.peak_bytes < 2**33
    assert lora.flops > 1e6
    assert whole.fits


def test_a_probe_encodes_few_groups_of_a_large_folder(tiny_folder: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for index in range(12):
        write_video(videos / f"{index}.mp4", colour_ramp(4, (32, 32)))
        (videos / f"{index}.txt").write_text("a red car")
    options = TrainOptions(
        model=str(tiny_folder), device="cpu", data=str(videos), n_shared=0, accumulate=1, out=tmp_path / "run"
    )
    found = probe("lora", options)
    assert found.micro > 0
    assert len(list((tmp_path / "run" / "cache").rglob("*.safetensors"))) == 4 + 1  # of 11 and 1 held out


def test_what_training_refuses_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean lora"):
        plan_training(OPTIONS.replaced(stages=("lore",)))
    broken = TrainOptions(model=str(tmp_path), device="cpu", groups=4, held_out=2)
    with pytest.raises(RunError, match="the probe of stage lora failed .*no vae folder"):
        plan_training(broken.replaced(stages=("lora",)))
