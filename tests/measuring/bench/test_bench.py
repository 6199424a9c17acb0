"""The bench on a tiny model, where its figures mean nothing: what is asked for is measured, and no more."""

import pytest

from frameweave.errors import InputError
from frameweave.measuring.bench import bench as whole
from frameweave.measuring.bench import training
from frameweave.measuring.bench.bench import bench
from frameweave.measuring.options import BenchOptions
from frameweave.models.stable_diffusion import StableDiffusion


def test_a_training_step_is_measured_in_three_ways(
    tiny: StableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "load", lambda **_: tiny)
    rows = list(training.training_rows(1))
    assert len(rows) == 3 and all(row.value > 0 for row in rows)


def test_only_what_is_asked_for_is_measured(tiny: StableDiffusion, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[StableDiffusion] = []
    monkeypatch.setattr(whole, "load", lambda **_: loaded.append(tiny) or tiny)
    monkeypatch.setattr(whole, "_STEPS", 2)
    monkeypatch.setattr(whole, "_FRAMES", 3)
    options = BenchOptions(quick=True, parts=("start", "editing"), editors=("delta", "framewise"))
    figures = [row.figure for row in bench(options)]
    assert [figure.split(":")[0] for figure in figures] == [
        "import frameweave, seconds",
        "delta",
        "framewise",
    ]
    assert len(loaded) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [({"editors": ("framewize",)}, "framewise"), ({"set": ("strenght=1",)}, "unknown setting")],
)
def test_wrong_names_are_told_before_anything_is_measured(
    given: dict[str, tuple[str, ...]], said: str
) -> None:
    with pytest.raises(InputError) as raised:
        bench(BenchOptions(**given))
    assert said in f"{raised.value} {raised.value.hint}"
