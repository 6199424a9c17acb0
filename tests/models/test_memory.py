"""Peak memory is this process's own; runs of frames that do not fit are halved, and errors say what to do."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from frameweave.errors import OutOfMemory
from frameweave.models.memory import Chunks, is_out_of_memory, memory_for, peak_bytes
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import Notes


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux alone can forget a peak")
def test_a_peak_can_be_forgotten() -> None:
    """In a process of its own, since others' memory may be anywhere."""
    code = (
        "import numpy as np; from frameweave.models.memory import forget_peak, peak_bytes\n"
        "block = np.ones(60_000_000); high = peak_bytes(); del block; forget_peak()\n"
        "print(high - peak_bytes())"
    )
    fallen = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert fallen > 400_000_000  # of 480 million


def test_the_memory_of_used_gpus_counts_and_that_of_idle_ones_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda gpu: 10 * gpu)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    idle = peak_bytes()
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert peak_bytes() == 10 < idle


def test_a_child_does_not_inherit_its_parents_peak() -> None:
    ballast = np.ones(130_000_000)  # about 1 GB
    code = "from frameweave.models.memory import peak_bytes; print(peak_bytes())"
    child = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert child < ballast.nbytes < peak_bytes()


@pytest.mark.parametrize(
    ("frames", "at_once", "runs"),
    [(25, 24, [13, 12]), (49, 24, [17, 16, 16]), (8, 4, [4, 4]), (3, 5, [3]), (3, 2, [2, 1])],
)
def test_runs_are_as_even_as_they_can_be(frames: int, at_once: int, runs: list[int]) -> None:
    made = list[int]()

    def compute(part: slice) -> Tensor:
        made.append(part.stop - part.start)
        return torch.arange(part.start, part.stop)

    assert Chunks(at_once).over(frames, compute).tolist() == list(range(frames))
    assert made == runs


def test_halves_until_a_run_fits() -> None:
    """Of 7 frames 2 fit: 7, 4 and 2 are tried, and none of them twice."""
    tried: list[int] = []

    def compute(part: slice) -> Tensor:
        tried.append(part.stop - part.start)
        if tried[-1] > 2:
            raise torch.OutOfMemoryError
        return torch.arange(part.start, part.stop)

    notes = Notes()
    chunks = Chunks(16, notes)
    assert chunks.over(7, compute).tolist() == list(range(7))
    assert tried == [7, 4, 2, 2, 2, 1]
    assert notes.texts == [f"out of memory: going on with {n} frames at once" for n in (4, 2)]
    tried.clear()
    chunks.over(7, compute)
    assert tried == [2, 2, 2, 1]


def test_a_single_frame_that_does_not_fit_is_the_device_s_error() -> None:
    def compute(part: slice) -> Tensor:
        raise torch.OutOfMemoryError("for one frame")

    with pytest.raises(torch.OutOfMemoryError, match="for one frame"):
        Chunks(4).over(3, compute)


def test_what_the_cpu_says_is_known_too() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))


def test_the_error_says_what_was_done_and_what_to_do() -> None:
    with (
        pytest.raises(OutOfMemory, match=r"out of memory while drawing \(\[?.*\); turn it down"),
        memory_for("drawing", hint="turn it down"),
    ):
        torch.empty(2**60)
    with pytest.raises(RuntimeError, match="another"), memory_for("drawing", hint="turn it down"):
        raise RuntimeError("another")


@pytest.mark.parametrize("verb", ["encode", "decode"])
def test_the_vae_takes_fewer_frames_at_once_and_then_says_so(
    verb: str, tiny: StableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = torch.rand(5, 3, 32, 32) if verb == "encode" else torch.rand(5, 4, 16, 16)
    work = getattr(tiny, verb)
    expected, limit = work(pictures), 2
    placed = StableDiffusion._for_vae

    def failing(self: StableDiffusion, x: Tensor) -> Tensor:
        if len(x) > limit:
            raise torch.OutOfMemoryError
        return placed(self, x)

    monkeypatch.setattr(StableDiffusion, "_for_vae", failing)
    assert torch.allclose(work(pictures), expected, atol=1e-5)
    limit = 0
    with pytest.raises(OutOfMemory, match=f"{verb[:-1]}ing one picture of .* a smaller --size"):
        work(pictures)
