"""The training loop in two real processes that share a batch, and its scaler. What a killed run does: see
`test_train_processes`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from frameweave.errors import MissingExtra
from frameweave.training import checkpoint
from frameweave.training.fit import fit
from frameweave.training.plan import Plan

STAGE = """
import os, sys
from pathlib import Path
import torch
from torch import nn
from frameweave.training.fit import fit, new_accelerator
from frameweave.training.plan import Plan

accelerator = new_accelerator()
RANK, COUNT = accelerator.process_index, accelerator.num_processes

class Stage:
    def __init__(self):
        torch.manual_seed(0)
        self.module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))

    def loss(self, step):
        x = torch.rand(8, 4, generator=torch.Generator().manual_seed(step)).chunk(COUNT)[RANK]
        terms = {"squared": ((self.module(x) - x.sum(1, keepdim=True)) ** 2).mean()}
        if RANK == COUNT - 1:  # a term that not every process has
            terms["extra"] = 0 * terms["squared"]
        return terms

    def watch(self):
        return {}

plan = Plan(steps=int(sys.argv[2]), warmup=1, precision="fp32", accumulate=2, save_every=1)
for step in fit(Stage(), plan, Path(sys.argv[1]), accelerator=accelerator):
    assert step.terms["extra"] == 0
assert COUNT == int(os.environ.get("WORLD_SIZE", 1))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "stage.py"
    path.write_text(STAGE)
    return path


def tensors(folder: Path) -> dict[str, Tensor]:
    path = checkpoint.latest(folder)
    assert path is not None
    return checkpoint.read(path).tensors


def test_two_processes_do_what_one_does(script: Path, tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    for name, start in (("one", [sys.executable]), ("two", launcher)):
        subprocess.run([*start, str(script), str(tmp_path / name), "3"], env=environment, check=True)
    one, two = tensors(tmp_path / "one"), tensors(tmp_path / "two")
    assert one.keys() == two.keys()
    assert all(torch.allclose(one[key], two[key], atol=1e-5) for key in one)


class Tiny:
    """One linear layer."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.module = nn.Linear(4, 1)

    def loss(self, step: int) -> dict[str, Tensor]:
        x = torch.rand(8, 4, generator=torch.Generator().manual_seed(step))
        return {"squared": ((self.module(x).float() - 1) ** 2).mean()}

    def watch(self) -> dict[str, float]:
        return {}


def test_the_fp16_scaler_is_resumed(tmp_path: Path) -> None:
    plan = Plan(steps=6, warmup=1, precision="fp16", save_every=1)
    steps = fit(Tiny(), plan, tmp_path / "parts")
    for _ in range(3):
        next(steps)
    del steps
    list(fit(Tiny(), plan, tmp_path / "parts"))
    list(fit(Tiny(), plan, tmp_path / "whole"))
    first, second = tensors(tmp_path / "parts"), tensors(tmp_path / "whole")
    assert all(torch.equal(first[key], second[key]) for key in second)
    paths = [checkpoint.latest(tmp_path / name) for name in ("parts", "whole")]
    scalers = [checkpoint.read(path).scaler for path in paths if path is not None]
    assert scalers[0] == scalers[1]
    assert scalers[0]["scale"] < 2**16  # steps whose gradients overflowed were skipped


def test_eight_bit_names_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'frameweave\[eight-bit\]'"):
        next(iter(fit(Tiny(), Plan(steps=1, eight_bit=True), tmp_path)))
