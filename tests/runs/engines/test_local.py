"""What only the pool of this machine promises."""

import time
from pathlib import Path
from typing import Any

import psutil

from engine_tasks import dies, digest, hangs_with_child, meets, surroundings
from frameweave.progress import SILENT
from frameweave.runs.engines.local import LocalPool, processors
from processes import descendants, program, soon


def test_workers_are_single_threaded_light_and_kept() -> None:
    found = [outcome.value for outcome in LocalPool(workers=2).run(surroundings, ["a"] * 20)]
    assert {value["threads"] for value in found} == {"1"}
    assert {value["input"] for value in found} == {""}
    assert {value["torch"] for value in found} == {False}
    assert len({value["id"] for value in found}) <= 2


def test_tasks_run_side_by_side(tmp_path: Path) -> None:
    items = [{"folder": str(tmp_path), "n": n, "all": 4} for n in range(4)]
    began = time.monotonic()
    outcomes = list(LocalPool(workers=4).run(meets, items))
    took = time.monotonic() - began
    assert [outcome.value for outcome in outcomes] == [4] * 4
    assert all(0 < outcome.seconds <= took for outcome in outcomes)


def test_an_idle_worker_that_died_costs_nothing() -> None:
    earlier = descendants()  # workers of tests before may still be ending

    def items() -> Any:
        yield "a"
        (worker,) = descendants() - earlier
        worker.kill()
        assert soon(lambda: worker.status() == psutil.STATUS_ZOMBIE)
        yield "b"

    outcomes = list(LocalPool(workers=1).run(surroundings, items()))
    assert [(outcome.failure, outcome.attempts) for outcome in outcomes] == [(None, 1)] * 2
    assert len({outcome.value["id"] for outcome in outcomes}) == 2


def test_what_a_task_started_is_killed_with_it(tmp_path: Path) -> None:
    file = tmp_path / "id"
    (outcome,) = LocalPool(workers=1, timeout=1).run(hangs_with_child, [{"file": str(file)}])
    assert outcome.failure and outcome.failure.kind == "timeout"
    assert soon(lambda: not _runs(int(file.read_text())))


def test_a_retry_is_noted_and_there_are_as_many_as_asked_for(tmp_path: Path) -> None:
    notes: list[str] = []

    class Noting:
        track, measure = SILENT.track, SILENT.measure

        def note(self, text: str) -> None:
            notes.append(text)

    items = [{"deaths": 3, "file": str(tmp_path / "a")}]
    (outcome,) = LocalPool(workers=1, retries=3).run(dies, items, progress=Noting())
    assert (outcome.value, outcome.attempts) == ("survived", 4)
    assert len(notes) == 3 and notes[0].startswith("item 0: the process was killed by SIGKILL")
    items = [{"deaths": 1, "file": str(tmp_path / "b")}]
    (outcome,) = LocalPool(workers=1, retries=0).run(dies, items)
    assert outcome.failure and outcome.failure.kind == "crashed"


def test_a_limit_too_low_for_any_start_fails_each_task_and_ends() -> None:
    pool = LocalPool(workers=2, memory=40 * 2**20, retries=0)
    failures = [outcome.failure for outcome in pool.run(digest, [{"n": 1}, {"n": 2}])]
    assert [failure and failure.kind in ("memory", "crashed") for failure in failures] == [True] * 2


_FAILS = """
import sys
from pathlib import Path
from engine_tasks import hangs
from frameweave.runs.engines.local import LocalPool
from processes import soon
outcomes = LocalPool(workers=2).run(hangs, [{"file": sys.argv[1]}, {"hangs": False}, {"hangs": False}])
next(outcomes)
assert soon(lambda: Path(sys.argv[1]).exists() and Path(sys.argv[1]).read_text())
raise RuntimeError("the reader of the outcomes fails")
"""


def test_a_program_that_fails_does_not_wait_for_its_tasks(tmp_path: Path) -> None:
    file = tmp_path / "id"
    with program(_FAILS, str(file)) as process:
        assert process.wait(60) == 1
        assert process.stderr and b"the reader of the outcomes fails" in process.stderr.read()
    assert soon(lambda: not _runs(int(file.read_text())))


def test_as_many_workers_as_processors() -> None:
    assert LocalPool().workers == processors() == len(psutil.Process().cpu_affinity())


def _runs(number: int) -> bool:
    return psutil.pid_exists(number) and psutil.Process(number).status() != psutil.STATUS_ZOMBIE
