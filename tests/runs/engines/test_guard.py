"""A guarded function does what the function does, and its end is not ours."""

import multiprocessing
import os
import signal
import sys
import time

import numpy as np
import psutil
import pytest

from engine_tasks import native, nested, raises_stubborn
from frameweave.errors import InputError
from frameweave.runs.engines import Guarded, Stopped
from processes import descendants, soon


def test_arrays_come_back_and_the_process_is_kept() -> None:
    with Guarded(native) as guarded:
        for size in (0, 10, 5_000_000):
            found = guarded.call("ones", size)
            assert found.dtype == np.uint8 and found.shape == (size,) and found.all()
            found[:] = 0  # it may be written to
        assert Guarded("os:getpid").call() != os.getpid()
    with Guarded(os.getpid) as guarded_id:
        assert guarded_id.call() == guarded_id.call() != os.getpid()
    assert soon(lambda: not descendants())


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("crash", "crashed", "the process was killed by SIGSEGV; the item may be broken"),
        ("exit3", "crashed", "the process ended with exit code 3; see what it wrote to stderr"),
        ("exit0", "crashed", "the process ended with exit code 0; see what it wrote to stderr"),
        ("hang", "timeout", "took more than 0.5 s and was killed; allow more time"),
        ("memory", "memory", "out of memory at the limit of 4 GB; allow more memory"),
    ],
)
def test_what_native_code_does_is_told_and_the_next_call_works(what: str, kind: str, message: str) -> None:
    with Guarded(native, timeout=0.5, memory=4 * 10**9) as guarded:
        for _ in range(2):
            with pytest.raises(Stopped) as caught:
                guarded.call(what, 10)
            assert (caught.value.kind, str(caught.value)) == (kind, message)
            assert not descendants()
            assert guarded.call("ones", 10).sum() == 10


def test_what_the_function_raises_is_raised_here_and_the_process_is_kept() -> None:
    with Guarded(native) as guarded:
        guarded.call("ones", 1)
        before = descendants()
        with pytest.raises(InputError) as caught:
            guarded.call("raise", 1)
        assert caught.value.hint == "take another"
        assert "engine_tasks.py" in "".join(caught.value.__notes__)
        assert descendants() == before


def test_an_error_that_cannot_travel_is_told() -> None:
    with Guarded(raises_stubborn) as guarded, pytest.raises(RuntimeError, match="Stubborn: 1 and 2"):
        guarded.call("a")


def test_a_child_that_died_between_calls_is_replaced() -> None:
    with Guarded(os.getpid) as guarded:
        first = guarded.call()
        killed = psutil.Process(first)
        killed.kill()
        assert soon(lambda: killed.status() == psutil.STATUS_ZOMBIE)
        assert guarded.call() != first


def test_an_interrupted_call_leaves_nothing_for_the_next() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Guarded(native) as guarded:
            guarded.call("ones", 1)
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(KeyboardInterrupt):
                guarded.call("hang", 3)
            assert guarded.call("ones", size=7).size == 7
    finally:
        signal.signal(signal.SIGALRM, earlier)


def test_the_start_of_the_child_does_not_count_as_its_time() -> None:
    began = time.monotonic()
    with Guarded(native, timeout=0.05) as guarded:
        assert guarded.call("ones", 3).size == 3
    assert time.monotonic() - began > 0.05  # the import of numpy alone takes longer


def test_a_function_that_the_child_cannot_import_is_told() -> None:
    with Guarded("no_such_module:function") as guarded, pytest.raises(Stopped, match="cannot import no_such"):
        guarded.call()


def test_a_limit_too_low_for_the_start_is_told() -> None:
    with Guarded(native, memory=40 * 2**20) as guarded, pytest.raises(Stopped) as caught:
        guarded.call("ones", 1)
    assert caught.value.kind in ("memory", "crashed")


def test_a_child_that_does_not_start_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frameweave.runs.engines.child._START", 0.001)
    with Guarded(native) as guarded, pytest.raises(Stopped, match=r"did not start within 0.001 s"):
        guarded.call("ones", 1)


def test_a_function_that_cuts_the_line_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frameweave.runs.engines.child._FAREWELL", 0.2)
    with Guarded("engine_tasks:hangs_up") as guarded, pytest.raises(Stopped, match="the process hung up"):
        guarded.call("a")
    assert not descendants()


def test_only_what_the_function_needs_is_imported() -> None:
    assert "torch" in sys.modules
    with Guarded("engine_tasks:surroundings") as guarded:
        assert guarded.call("a")["torch"] is False


def test_daemonic_processes_may_have_one() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # its workers are daemonic
        assert pool.apply(nested, [{"what": "ones"}]) == 100.0
        assert pool.apply(nested, [{"what": "crash"}]) == "crashed"


def test_a_forgotten_one_is_ended() -> None:
    guarded = Guarded(os.getpid)
    process = psutil.Process(guarded.call())
    del guarded
    assert soon(lambda: not process.is_running())
