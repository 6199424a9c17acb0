"""A child process that applies one function again and again, with a time limit and a memory limit.

It is a plain subprocess, so that daemonic processes and Ray workers may have one, too. When this
process dies, in whatever way, the child dies as well. Linux and macOS.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from frameweave.runs.engines import wire
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


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the function returned, or what it raised."""

    value: Any
    error: BaseException | None


class Child:
    """A process that is given arguments with `begin`; `receive` takes the reply when `connection` has one.

    `memory` limits its address space, in bytes. Not for use by several threads at once.
    """

    def __init__(self, name: str, *, memory: int | None = None) -> None:
        self.connection, theirs = socket.socketpair()
        self._name = name
        self._memory = memory
        self._ready = False
        self._began = time.monotonic()
        self._timeout: float | None = None
        self._arguments: list[memoryview] = []
        descriptor = theirs.fileno()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _PROGRAM,
                    json.dumps(sys.path),
                    name,
                    str(descriptor),
                    str(memory or 0),
                ],
                stdin=subprocess.PIPE,
                pass_fds=[descriptor],
                process_group=0,  # out of reach of the terminal's Ctrl-C, and killed with all it started
                env=os.environ | _ONE_THREAD,
            )
        self._end = weakref.finalize(self, _end, self._process, self.connection)

    @property
    def alive(self) -> bool:
        return self._end.alive and self._process.poll() is None

    @property
    def seconds(self) -> float:
        """Since the call began; the start of the process does not count."""
        return time.monotonic() - self._began

    def begin(self, arguments: tuple[Any, ...], named: dict[str, Any], timeout: float | None) -> None:
        """Call the function, as soon as the child is ready; the call may take `timeout` seconds."""
        self._timeout = timeout
        self._arguments = wire.packed((arguments, named))
        if self._ready:
            self._send()

    def remaining(self) -> float | None:
        """Seconds until the child is overdue, never below 0; None when it has all the time it wants."""
        limit = self._timeout if self._ready else _START
        return None if limit is None else max(0.0, limit - self.seconds)

    def receive(self) -> Reply | None:
        """Take what the child has sent; None when that is not a reply yet.

        Raises `Stopped` when the child is dead or out of memory; then it is gone, as it is after any
        other exception.
        """
        try:
            value, error = wire.receive(self.connection)
        except EOFError:
            raise self._crashed() from None
        except BaseException:
            self.kill()
            raise
        if isinstance(error, MemoryError) or (error is not None and not self._ready):
            self.kill()
            raise self._failed(error)
        if not self._ready:
            self._ready = True
            self._send()
            return None
        return Reply(value=value, error=error)

    def overdue(self) -> Stopped:
        """Kill the child, because nothing of its time remains; what to raise."""
        self.kill()
        if not self._ready:
            return Stopped(f"the process did not start within {_START:g} s", hint="use fewer workers")
        return Stopped(
            f"took more than {self._timeout:g} s and was killed", kind="timeout", hint="allow more time"
        )

    def kill(self) -> None:
        """End the child at once, with all processes that it started."""
        self._end()

    def join(self) -> None:
        """Wait a few seconds for the end of a child whose connection is closed."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_FAREWELL)

    def _send(self) -> None:
        self._began = time.monotonic()
        with suppress(ConnectionError):  # a dead child is found out by `receive`
            wire.send(self.connection, self._arguments)
        self._arguments = []

    def _crashed(self) -> Stopped:
        self.join()  # the connection breaks shortly before the end
        code = self._process.returncode
        self.kill()
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


def dismissed(children: Iterable[Child]) -> None:
    """End idle children, giving them time for what they do at exit."""
    waiting = [child for child in children if child.alive]
    for child in waiting:
        child.connection.close()
    for child in waiting:
        child.join()
        child.kill()


def _end(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    connection.close()
    with suppress(ProcessLookupError, PermissionError):  # all are gone; macOS forbids to kill zombies
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    lifeline: IO[bytes] | None = process.stdin
    if lifeline is not None:
        lifeline.close()
