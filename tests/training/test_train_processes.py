"""Real processes of the installed command: two that share each batch, and one that is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from frameweave.training import checkpoint
from frameweave.training.options import TrainOptions
from frameweave.training.train import train

SETTINGS = {
    "device": "cpu",
    "groups": 6,
    "held_out": 2,
    "batch": 2,
    "accumulate": 2,
    "warmup": 1,
    "watch_every": 50,
    "learning_rate": 1e-2,
    "precision": "fp32",
    "threads": 1,
    "save_minutes": 0,
}
LAUNCHER = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes=2", "--num_machines=1"]


def command(model: Path, out: Path, steps: int) -> list[str]:
    return [
        "-m",
        "frameweave",
        "train",
        "lora",
        f"--model={model}",
        f"--out={out}",
        f"--steps={steps}",
        *(f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()),
    ]


def tensors(folder: Path) -> dict[str, Tensor]:
    path = checkpoint.latest(folder / "lora")
    assert path is not None
    return checkpoint.read(path).tensors


ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}


def here(model: Path, out: Path, steps: int) -> None:
    """The same in this process, which has torch already."""
    train(("lora",), TrainOptions(model=str(model), out=out, steps=steps, stages=("lora",), **SETTINGS))


def test_two_processes_average_the_gradients_of_one(tiny_folder: Path, tmp_path: Path) -> None:
    here(tiny_folder, tmp_path / "one", 1)
    flags = [*LAUNCHER, *command(tiny_folder, tmp_path / "two", 1)]
    done = subprocess.run(
        [sys.executable, *flags], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    one, two = tensors(tmp_path / "one"), tensors(tmp_path / "two")
    assert one.keys() == two.keys()
    first_moments = [key for key in one if key.startswith("optimiser/exp_avg/")]
    assert first_moments
    for key in first_moments:  # after one step: a tenth of the clipped gradient
        assert torch.allclose(one[key], two[key], rtol=0, atol=1e-6), key
    assert max(float(one[key].abs().max()) for key in first_moments) > 1e-5
    log = [(tmp_path / name / "log.jsonl").read_text().count("\n") for name in ("one", "two")]
    assert log == [1, 1]


def test_a_killed_run_goes_on_with_the_same_bits(tiny_folder: Path, tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    flags = command(tiny_folder, killed, 16)
    with subprocess.Popen(
        [sys.executable, *flags], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 200
        while not (killed / "lora" / "step-00000003").is_dir() and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    reached = checkpoint.latest(killed / "lora")
    assert reached is not None
    assert 3 <= int(reached.name[-8:]) < 16
    subprocess.run([sys.executable, *flags], env=ENVIRONMENT, capture_output=True, check=True)
    here(tiny_folder, whole, 16)
    first, second = tensors(killed), tensors(whole)
    assert first.keys() == second.keys()
    kinds = {key.split("/")[0] for key in first}
    assert {"weights", "average", "optimiser"} <= kinds
    assert any("T_share" in key for key in first)
    assert all(torch.equal(first[key], second[key]) for key in second)
    assert sorted(path.name for path in (killed / "lora").glob("step-*")) == [
        "step-00000015",
        "step-00000016",
    ]
