"""What every engine promises, whichever it is."""

import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine_tasks import dies, digest, hangs, hungry, leaves, nested, not_json, picky, torn
from frameweave.errors import InputError
from frameweave.progress import SILENT
from frameweave.runs.engines import Engine, EngineOptions, Outcome, engine_of, part
from processes import descendants, program, soon


class Jobs:
    """A job array of three as one engine: each job's share, one after the other."""

    def run(self, function: Any, items: Any, **named: Any) -> Iterator[Outcome]:
        for index in range(3):
            for outcome in made("local-1").run(function, part(items, index, 3), **named):
                yield replace(outcome, position=index + 3 * outcome.position)


def made(name: str, request: Any = None, **options: Any) -> Engine:
    """The engine of that name. Tests share a connection to Ray, unless they are `apart`."""
    if name == "ray":
        address = request.getfixturevalue("cluster").address
        if "apart" not in request.fixturenames:
            request.getfixturevalue("connected")()
        return engine_of(EngineOptions(ray_address=address, **options))
    workers = {"inline": 0, "local-1": 1, "local-3": 3}[name]
    return engine_of(EngineOptions(workers=workers, **options))


@pytest.fixture(scope="module")
def connected(cluster: Any) -> Iterator[Callable[[], None]]:
    """Connects this process to the cluster, if it is not; so each test is spared the start of workers."""
    import ray

    def connect() -> None:
        if not ray.is_initialized():
            ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")

    yield connect
    ray.shutdown()


@pytest.fixture
def apart() -> None:
    """No connection to Ray but that of the test, and no process of the tests before."""
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()
    assert soon(lambda: not descendants())


@pytest.fixture(params=["inline", "local-1", "local-3", "ray"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return made(request.param, request)


@pytest.fixture(params=["local-3", "ray"])
def isolating(request: pytest.FixtureRequest) -> Any:
    """Makes an engine whose tasks have processes of their own."""
    return lambda **options: made(request.param, request, **options)


def numbers(count: int) -> list[Any]:
    return [{"n": n} for n in range(1, count + 1)]


def results(outcomes: Iterable[Outcome]) -> list[Any]:
    """All that must not depend on the engine, in the order of the items."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.position)
    return [
        [o.position, o.item, o.value, o.failure and [o.failure.kind, o.failure.message], o.attempts]
        for o in ordered
    ]


@pytest.fixture(scope="module")
def of_a_job_array() -> str:
    return json.dumps(results(Jobs().run(picky, numbers(40))))


def test_results_are_the_same_everywhere(engine: Engine, of_a_job_array: str) -> None:
    found = results(engine.run(picky, numbers(40)))
    for n, (position, item, value, failure, attempts) in enumerate(found, start=1):
        assert (position, item, attempts) == (n - 1, {"n": n}, 1)
        if n % 5 == 0:
            assert (value, failure) == (None, ["raised", f"{n} is refused; take another"])
        elif n % 7 == 0:
            assert (value, failure) == (None, ["raised", "ZeroDivisionError: a bug"])
        else:
            sha = hashlib.sha256(str(n).encode()).hexdigest()
            assert (value, failure) == ({"n": n, "pair": [str(n), sha]}, None)
    assert len(found) == 40
    assert json.dumps(found) == of_a_job_array


def test_a_bug_keeps_its_traceback(engine: Engine) -> None:
    refused, bug = sorted(engine.run(picky, [{"n": 5}, {"n": 7}]), key=lambda outcome: outcome.position)
    assert refused.failure and refused.failure.trace == ""
    assert bug.failure and "engine_tasks.py" in bug.failure.trace and "a bug" in bug.failure.trace


def test_no_items(engine: Engine) -> None:
    assert list(engine.run(digest, [])) == []


def test_what_is_not_json_is_refused(engine: Engine) -> None:
    (outcome,) = engine.run(not_json, ["a"])
    assert outcome.failure and outcome.failure.kind == "raised"
    assert outcome.failure.message == "TypeError: Object of type set is not JSON serializable"
    with pytest.raises(InputError, match=r"item 1 is not JSON: .*PosixPath.*give paths as text"):
        list(engine.run(digest, [{"n": 1}, {"n": Path("a")}]))


def test_a_task_that_exits_is_a_failure(engine: Engine) -> None:
    (outcome,) = engine.run(leaves, ["good bye"])
    assert outcome.failure and outcome.failure.message == "SystemExit: good bye"


def test_functions_that_cannot_travel_are_refused_at_once(engine: Engine) -> None:
    with pytest.raises(InputError, match="move it to the top of a module"):
        engine.run(lambda item: item, ["a"])


def test_items_are_taken_as_they_are_needed(engine: Engine) -> None:
    taken: list[int] = []

    def endless() -> Iterator[Any]:
        for n in count():
            taken.append(n)
            yield {"n": n}

    outcomes = engine.run(digest, endless())
    assert taken == []
    for done, _ in zip(range(1, 21), outcomes, strict=False):
        assert len(taken) <= done + 6  # twice the three workers; Ray has two processors
    outcomes.close()


@pytest.mark.usefixtures("apart")
def test_what_the_source_of_items_raises_comes_through(engine: Engine) -> None:
    def broken() -> Iterator[Any]:
        yield {"n": 1}
        raise OSError("the list is torn")

    outcomes = engine.run(digest, broken())
    assert next(outcomes).value["n"] == 1, "what was under way is not lost"
    with pytest.raises(OSError, match="the list is torn"):
        next(outcomes)
    assert soon(lambda: not descendants())


def test_progress_counts_the_items(engine: Engine) -> None:
    class Counting:
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def track(self, items: Any, what: str, total: int | None = None) -> Iterator[Any]:
            self.seen.append((what, total))
            for item in items:
                self.seen.append(item.item)
                yield item

        note, measure = SILENT.note, SILENT.measure

    counting = Counting()
    list(engine.run(digest, numbers(3), what="clips", progress=counting))
    assert counting.seen[0] == ("clips", 3)
    assert sorted(item["n"] for item in counting.seen[1:]) == [1, 2, 3]


def test_a_task_that_hangs_is_killed_and_costs_no_other(isolating: Any) -> None:
    items = [{"hangs": n == 2} for n in range(6)]
    found = results(isolating(timeout=0.7).run(hangs, items))
    assert [line[2] for line in found] == ["done", "done", None, "done", "done", "done"]
    assert found[2][3:] == [["timeout", "took more than 0.7 s and was killed; allow more time"], 1]


def test_a_task_that_is_killed_is_tried_again_then_given_up(isolating: Any, tmp_path: Path) -> None:
    items = [{"deaths": deaths, "file": str(tmp_path / str(n))} for n, deaths in enumerate([0, 1, 2, 0, 0])]
    found = results(isolating().run(dies, items))
    assert [line[2] for line in found] == ["survived", "survived", None, "survived", "survived"]
    assert [line[4] for line in found] == [1, 2, 2, 1, 1]
    kind, message = found[2][3]
    assert kind == "crashed" and "killed by SIGKILL" in message
    assert (tmp_path / "2").stat().st_size == 2


def test_a_task_that_is_killed_in_the_middle_of_its_answer_costs_no_other(isolating: Any) -> None:
    found = results(isolating(retries=0).run(torn, [{"torn": n == 1} for n in range(5)]))
    assert [line[2] for line in found] == ["done", None, "done", "done", "done"]
    assert found[1][3:] == [
        ["crashed", "the process was killed by SIGKILL; the machine may be out of memory"],
        1,
    ]


def test_memory_is_limited(isolating: Any) -> None:
    items = [{"bytes": 1e6}, {"bytes": 3e9}, {"bytes": 2e6}]
    found = results(isolating(memory_gb=1).run(hungry, items))
    assert [line[2] for line in found] == [1_000_000, None, 2_000_000]
    assert found[1][3] == ["memory", "out of memory at the limit of 1 GB; allow more memory"]


def test_workers_may_guard_native_code_of_their_own(isolating: Any) -> None:
    items = [{"what": what} for what in ("decode", "crash", "memory", "exit3")] + [
        {"what": "hang", "timeout": 0.5}
    ]
    found = results(isolating(memory_gb=4).run(nested, items))
    assert [line[2] for line in found] == [100.0, "crashed", "memory", "crashed", "timeout"]


@pytest.mark.usefixtures("apart")
def test_closing_early_leaves_no_process(isolating: Any, tmp_path: Path) -> None:
    file = tmp_path / "id"
    closing = iter([{"hangs": False}, {"file": str(file)}, {"file": str(file)}, {"file": str(file)}])
    outcomes = isolating().run(hangs, closing)
    assert next(outcomes).value == "done"
    assert soon(file.exists)
    assert descendants()
    outcomes.close()
    assert soon(lambda: not descendants())


_PROGRAM = """
import sys
from engine_tasks import nested_hang
from frameweave.runs.engines import EngineOptions, engine_of
options = EngineOptions(workers=None if sys.argv[1] else 2, ray_address=sys.argv[1] or None)
list(engine_of(options).run(nested_hang, [{"file": sys.argv[2] + str(n)} for n in range(2)]))
"""


@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
@pytest.mark.parametrize("name", ["local", "ray"])
def test_the_end_of_the_program_is_the_end_of_its_processes(
    name: str, how: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Tasks hang in a guarded process of their own, with the interpreter's lock held."""
    address = request.getfixturevalue("cluster").address if name == "ray" else ""
    files = [tmp_path / f"id{n}" for n in range(2)]
    with program(_PROGRAM, address, str(tmp_path / "id")) as process:
        assert soon(lambda: all(file.exists() and file.read_text() for file in files), 60)
        hanging = [psutil.Process(int(file.read_text())) for file in files]
        above = [parent for child in hanging if (parent := child.parent()) is not None]
        assert all(psutil.Process.is_running(each) for each in hanging + above)
        os.killpg(process.pid, getattr(signal, how))
        assert process.wait(10) != 0
        assert soon(lambda: not any(each.is_running() for each in hanging + above))
