"""A child process that applies one function again and again, with a time limit and a memory limit.

It is a plain subprocess, so that daemonic processes and Ray workers may have one, too. When this
process dies, in whatever way, the child dies as well. Linux and macOS.
"""

import json
import os
import pickle
import signal
import subprocess
import sys
import weakref
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Any

from frameweave.runs.engines.task import Stopped

_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from frameweave.runs.engines.served import serve
serve(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
"""
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
_START = 300.0  # seconds for importing the function's module: torch on a busy machine takes many
_FAREWELL = 5.0  # seconds for what an idle child does at exit


class Child:
    """A process that waits for the arguments of its next call. `memory` limits its address space, in bytes.

    After an exception from `ask` it must be ended by `kill`.
    """

    def __init__(self, name: str, *, memory: int | None = None) -> None:
        self._connection, theirs = Pipe()
        self._name = name
        self._memory = memory
        self._ready = False
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _PROGRAM,
                    json.dumps(sys.path),
                    name,
                    str(theirs.fileno()),
                    str(memory or 0),
                ],
                stdin=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                process_group=0,  # out of reach of the terminal's Ctrl-C, and killed with all it started
                env=os.environ | _ONE_THREAD,
            )
        self._end = weakref.finalize(self, _end, self._process, self._connection)

    @property
    def alive(self) -> bool:
        """Whether it can be asked: an idle child says nothing unasked, unless its connection has ended."""
        if not self._end.alive or self._process.poll() is not None:
            return False
        return not (self._ready and self._connection.poll(0))

    def ask(self, message: bytes, timeout: float | None) -> tuple[Any, BaseException | None]:
        """What the function returns for pickled arguments, and what it raises. The start is not timed.

        Raises `Stopped` when the child is too slow, out of memory or dead.
        """
        if not self._ready:
            if not self._connection.poll(_START):
                raise Stopped(f"the process did not start within {_START:g} s", hint="use fewer workers")
            _, error = self._answer()
            if error is not None:
                raise self._failed(error)
            self._ready = True
        with suppress(ConnectionError):  # a dead child is found out below
            self._connection.send_bytes(message)
        if not self._connection.poll(timeout):
            raise Stopped(
                f"took more than {timeout:g} s and was killed", kind="timeout", hint="allow more time"
            )
        value, error = self._answer()
        if isinstance(error, MemoryError):
            raise self._failed(error)
        return value, error

    def signal(self) -> None:
        """Kill the process and all that it started; from any thread."""
        if self._process.returncode is None:
            _kill(self._process)

    def kill(self) -> None:
        """End the child at once, with all processes that it started."""
        self._end()

    def dismiss(self) -> None:
        """End an idle child, giving it time for what it does at exit."""
        if self.alive:
            self._connection.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_FAREWELL)
        self.kill()

    def _answer(self) -> tuple[Any, BaseException | None]:
        try:
            answer = self._connection.recv_bytes()
        except (EOFError, OSError):
            raise self._crashed() from None
        return pickle.loads(answer)

    def _crashed(self) -> Stopped:
        with suppress(subprocess.TimeoutExpired):  # the connection breaks shortly before the end
            self._process.wait(_FAREWELL)
        code = self._process.returncode
        if code is None:
            return Stopped("the process hung up", hint="a task must not close what it did not open")
        if code >= 0:
            return Stopped(f"the process ended with exit code {code}", hint="see what it wrote to stderr")
        name = signal.Signals(-code).name
        hint = "the machine may be out of memory" if name == "SIGKILL" else "the item may be broken"
        return Stopped(f"the process was killed by {name}", hint=hint)

    def _failed(self, error: BaseException) -> Stopped:
        limit = f" at the limit of {self._memory / 1e9:g} GB" if self._memory else ""
        if isinstance(error, MemoryError):
            hint = "allow more memory" if self._memory else "use fewer workers"
            return Stopped(f"out of memory{limit}", kind="memory", hint=hint)
        hint = "allow more memory" if self._memory else "see that it is installed"
        return Stopped(f"cannot import {self._name}{limit}: {type(error).__name__}: {error}", hint=hint)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):  # all are gone; macOS forbids to kill zombies
        os.killpg(process.pid, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes], connection: "Connection[bytes, bytes]") -> None:
    connection.close()
    _kill(process)
    process.wait()
    lifeline: IO[bytes] | None = process.stdin
    if lifeline is not None:
        lifeline.close()
