"""What the tests of processes share: who is alive, and programs of their own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil


def descendants(root: int | None = None) -> set[psutil.Process]:
    """All processes below one (this one), as far as they serve an engine."""
    return {process for process in psutil.Process(root).children(recursive=True) if _serves(process)}


def _serves(process: psutil.Process) -> bool:
    try:
        return any("frameweave.runs.engines" in argument for argument in process.cmdline())
    except psutil.Error:
        return False


def soon(condition: Callable[[], object], seconds: float = 60.0) -> bool:
    """Whether a condition comes true in that time."""
    until = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < until:
        time.sleep(0.02)
    return bool(met)


@contextmanager
def program(code: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python program in a session of its own, as from a terminal: background shells ignore SIGINT."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        start_new_session=True,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]
