"""Peak memory is this process's own, not its parent's."""

import subprocess
import sys

import numpy as np

from frameweave.training.memory import peak_bytes


def test_it_grows_with_what_is_used() -> None:
    before = peak_bytes()
    block = np.ones(40_000_000)
    assert peak_bytes() - before > 0.8 * block.nbytes or before > 2 * block.nbytes


def test_a_child_does_not_inherit_its_parents_peak() -> None:
    ballast = np.ones(130_000_000)  # about 1 GB
    code = "from frameweave.training.memory import peak_bytes; print(peak_bytes())"
    child = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert child < ballast.nbytes < peak_bytes()
