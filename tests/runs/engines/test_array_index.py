"""The jobs of an array share the items, whatever their number."""

import os
import re
import subprocess
import sys
from itertools import chain, count, islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frameweave.errors import InputError
from frameweave.runs.engines import part
from frameweave.runs.engines.array_index import place

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "cluster.md"


@pytest.fixture(autouse=True)
def no_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(), max_size=40), st.integers(1, 12))
def test_each_item_is_in_one_part_and_parts_are_even(items: list[int], jobs: int) -> None:
    numbered = list(enumerate(items))
    parts = [list(part(numbered, index, jobs)) for index in range(jobs)]
    assert sorted(chain(*parts)) == numbered
    assert all(each == sorted(each) for each in parts)
    sizes = [len(each) for each in parts]
    assert max(sizes) - min(sizes) <= 1


def test_items_are_taken_lazily() -> None:
    assert list(islice(part(count(), 2, 5), 3)) == [2, 7, 12]


def test_without_an_array_there_is_one_part() -> None:
    assert list(part("abc")) == ["a", "b", "c"]
    assert place(None, 1, {}) == (0, 1)


def slurm(task: int, first: int, last: int, step: int = 1) -> dict[str, str]:
    """The variables that Slurm sets for `--array=first-last:step`."""
    size = len(range(first, last + 1, step))
    values = {"ID": task, "MIN": first, "MAX": last, "COUNT": size, "STEP": step}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}


def test_slurms_variables_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [place(None, None, slurm(task, 1, 3)) for task in (1, 2, 3)] == [(0, 3), (1, 3), (2, 3)]
    assert place(None, 3, slurm(2, 0, 2)) == (2, 3)
    assert place(4, 9, slurm(2, 0, 2)) == (4, 9)
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "2")
    assert list(part("abcde")) == ["b", "d"]


@pytest.mark.parametrize(
    ("index", "jobs", "environment", "message"),
    [
        (3, 3, {}, "shard index 3 of 3, expected an index from 0"),
        (-1, 3, {}, "shard index -1 of 3"),
        (0, 0, {}, "shard index 0 of 0"),
        (1, None, {}, "shard index 1 of an unknown number; give --num-shards"),
        (None, 4, {}, "4 shards, and no index; give --shard-index"),
        (None, 4, slurm(1, 0, 2), "4 shards in a job array of 3"),
        (
            None,
            None,
            slurm(4, 0, 8, step=2),
            "array of 5 numbers from 0 to 8, expected one without gaps",
        ),
        (
            None,
            None,
            slurm(3, 0, 5) | {"SLURM_ARRAY_TASK_COUNT": "2"},
            "array of 2 numbers from 0 to 5",
        ),
        (None, None, slurm(1, 0, 3) | {"SLURM_ARRAY_TASK_ID": "one"}, "SLURM_ARRAY_TASK_ID is 'one'"),
        (None, None, {"SLURM_ARRAY_TASK_ID": "1"}, "SLURM_ARRAY_TASK_COUNT is None"),
        (None, None, slurm(7, 0, 3), "shard index 7 of 4"),
    ],
)
def test_nonsense_is_refused(
    index: int | None, jobs: int | None, environment: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        place(index, jobs, environment)


def test_the_programs_of_the_documentation_share_the_items(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    for name in "abcde":
        (tmp_path / f"{name}.mp4").write_bytes(b"." * ord(name))
    found: list[str] = []
    for task in range(2):
        paths = os.pathsep.join(str(Path(path).resolve()) for path in sys.path if path)
        variables = {"PYTHONPATH": paths, "SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": "2"}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=os.environ | variables,
            check=True,
            capture_output=True,
            text=True,
        )
        found.extend(sorted(done.stdout.split("\n")[:-1]))
    assert found == ["a.mp4 97", "c.mp4 99", "e.mp4 101", "b.mp4 98", "d.mp4 100"]
