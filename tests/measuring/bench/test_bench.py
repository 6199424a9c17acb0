"""The bench on a tiny model, where its figures mean nothing: what is asked for is measured, and no more."""

from pathlib import Path

import pytest
import torch

from frameweave.errors import InputError
from frameweave.measuring.bench import bench as whole
from frameweave.measuring.bench import growth, training
from frameweave.measuring.bench.bench import bench
from frameweave.measuring.bench.editing import editing_row, network_calls
from frameweave.measuring.options import BenchOptions
from frameweave.models.control.asked import DEPTH
from frameweave.models.seam import Guides
from frameweave.models.stable_diffusion import StableDiffusion


def test_a_training_step_is_measured_in_four_ways(
    tiny: StableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "load", lambda **_: tiny)
    rows = list(training.training_rows(1))
    assert len(rows) == 4 and all(row.value > 0 for row in rows)


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


def test_growth_is_told_beside_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(_root: Path, _name: str, count: int, size: int) -> growth.Taken:
        return growth.Taken(seconds_per_frame=(size or 64) / 1000, peak_bytes=2**20 * count)

    monkeypatch.setattr(growth, "taken", taken)
    options = BenchOptions(
        parts=("length", "size"), editors=("delta",), lengths=(32, 16), sizes=(64, 128), quick=True
    )
    assert [(row.figure, row.value) for row in bench(options)] == [
        ("delta, 16 frames: time per frame, ms", 64),
        ("delta, 16 frames: peak memory, MiB", 16),
        ("delta, 32 frames over 16 frames: time per frame", 1),
        ("delta, 32 frames over 16 frames: peak memory", 2),
        ("delta, 64 pixels: time per frame, ms", 64),
        ("delta, 64 pixels: peak memory, MiB", 4),
        ("delta, 128 pixels over 64 pixels: time per frame", 2),
        ("delta, 128 pixels over 64 pixels: peak memory", 1),
    ]


@pytest.mark.parametrize(
    ("editor", "calls", "forwards"),
    [
        # Steps x (inversion of 3 frames, then both branches of them).
        ("framewise", [(3, False), (3, False), (6, False), (6, False)], 18),
        # Every call is steered by depth.
        ("text2video_zero", [(6, True), (6, True)], 12),
    ],
)
def test_the_floor_is_the_calls_that_were_made(
    tiny: StableDiffusion, editor: str, calls: list[tuple[int, bool]], forwards: int
) -> None:
    row = editing_row(tiny, editor, {}, steps=2, frames=3, repeats=1)
    assert row.figure == f"{editor}: edit over its {forwards} bare frame-forwards"
    assert row.value > 0
    given = [torch.zeros(frames, 4, 32, 32) for frames, _ in calls]
    one = tiny.conditioning(["a red car"])
    steered = tiny.conditioning(["a red car"], Guides(maps={DEPTH: torch.rand(1, 1, 64, 64)}))

    def made() -> None:
        for x, (frames, controlnet) in zip(given, calls, strict=True):
            with torch.no_grad():
                tiny.predict(x, 500, (steered if controlnet else one).of([0] * frames))

    assert [(call.frames, call.controlnet) for call in network_calls(tiny, made)] == calls


def test_a_backward_pass_counts_as_two_more(tiny: StableDiffusion) -> None:
    """vid2vid-zero's null text is learned at each step; its edit has none."""
    x = torch.zeros(2, 4, 32, 32, requires_grad=True)

    def made() -> None:
        tiny.predict(x, 500, tiny.conditioning(["a red car"]))

    (call,) = network_calls(tiny, made)
    assert call.backward and call.frame_forwards == 6


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
