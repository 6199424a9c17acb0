"""What only Ray promises: the loss of a node costs nothing, and what we did not start stays."""

import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from engine_tasks import digest, kills_worker, on_node
from frameweave.errors import InputError, MissingExtra
from frameweave.runs.engines.ray_core import RayCore, _outcome
from frameweave.runs.engines.task import Task
from processes import descendants, soon

ray: Any = pytest.importorskip("ray")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("losses", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_the_loss_of_a_node_in_mid_run_costs_no_task(
    losses: int, cluster: Any, another: Callable[[], Any], tmp_path: Path
) -> None:
    for number in range(losses):
        spare, folder = another(), tmp_path / str(number)
        folder.mkdir()
        raylet = str(spare.all_processes["raylet"][0].process.pid)
        items = [{"n": n, "doomed": raylet, "folder": str(folder)} for n in range(24)]
        with closing(RayCore(address=cluster.address).run(on_node, items)) as outcomes:
            found = [next(outcomes)]
            assert list(folder.glob("stuck-*"))
            cluster.remove_node(spare, allow_graceful=False)
            found += outcomes
        assert sorted(outcome.position for outcome in found) == list(range(24))
        assert [outcome.failure for outcome in found] == [None] * 24
        assert raylet not in {outcome.value for outcome in found}
        assert soon(lambda: not descendants())
    print(f"Ray: {losses} nodes lost, {24 * losses} tasks, 0 lost")


def test_the_loss_of_a_worker_costs_no_task(cluster: Any, tmp_path: Path) -> None:
    items = [{"n": n, "file": str(tmp_path / str(n))} for n in range(2)]
    outcomes = list(RayCore(address=cluster.address, retries=0).run(kills_worker, items))
    assert [(outcome.value, outcome.failure) for outcome in outcomes] == [("survived", None)] * 2
    assert [(tmp_path / str(n)).stat().st_size for n in range(2)] == [2, 2]


def test_a_connection_of_the_program_is_left_as_it_is(cluster: Any) -> None:
    ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
    try:
        (outcome,) = RayCore().run(digest, [{"n": 1}])
        assert outcome.value["n"] == 1
        assert ray.is_initialized()
    finally:
        ray.shutdown()
    list(RayCore(address=cluster.address).run(digest, [{"n": 1}]))
    assert not ray.is_initialized()


def test_a_ray_of_our_own_is_started_and_ended() -> None:
    before = set(psutil.Process().children(recursive=True))
    outcomes = RayCore(workers=1).run(digest, [{"n": 1}, {"n": 2}])
    assert next(outcomes).failure is None
    started = set(psutil.Process().children(recursive=True)) - before
    assert any("raylet" in process.name() for process in started)
    assert [outcome.failure for outcome in outcomes] == [None]
    assert not ray.is_initialized()
    assert soon(lambda: not any(process.is_running() for process in started))


def test_nobody_at_the_address() -> None:
    began = time.monotonic()
    with pytest.raises(InputError, match=r"no Ray at 127.0.0.1:9: .*refused; check the address"):
        list(RayCore(address="127.0.0.1:9").run(digest, [{"n": 1}]))
    assert time.monotonic() - began < 30


def test_an_address_that_is_none() -> None:
    with pytest.raises(InputError, match="no Ray at nowhere"):
        list(RayCore(address="nowhere").run(digest, [{"n": 1}]))


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"pip install 'frameweave\[ray\]'"):
        RayCore().run(digest, [{"n": 1}])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ray.exceptions.WorkerCrashedError(), "crashed"),
        (ray.exceptions.OutOfMemoryError("no room"), "memory"),
    ],
)
def test_what_ray_gives_up_is_a_failure(error: Exception, kind: str) -> None:
    outcome = _outcome(_giving(error), None, Task(position=3, item="a"), time.monotonic())
    assert outcome.failure and outcome.failure.kind == kind
    assert (
        outcome.failure.message == f"lost by Ray 4 times: {type(error).__name__}; see the logs of the nodes"
    )
    assert (outcome.position, outcome.item, outcome.attempts) == (3, "a", 4)


def test_a_node_without_frameweave_stops_the_run() -> None:
    trace = "ModuleNotFoundError: No module named 'frameweave'"
    error = ray.exceptions.RayTaskError("f", trace, ImportError())
    with pytest.raises(InputError, match="a node cannot run Frameweave: ModuleNotFoundError"):
        _outcome(_giving(error), None, Task(position=0, item="a"), time.monotonic())


def _giving(error: Exception) -> Any:
    """A Ray whose results are that error."""

    def get(reference: object) -> None:
        raise error

    return SimpleNamespace(get=get, exceptions=ray.exceptions)
