"""Tasks for the engines' tests: other processes import them by name."""

import ctypes
import hashlib
import os
import re
import signal
import stat
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frameweave.errors import InputError
from frameweave.runs.engines import Guarded, Stopped
from processes import soon


def digest(item: dict[str, Any]) -> dict[str, Any]:
    """A value that only this item has; a tuple, so that JSON has something to change."""
    text = str(item["n"])
    return {"n": item["n"], "pair": (text, hashlib.sha256(text.encode()).hexdigest())}


def picky(item: dict[str, Any]) -> dict[str, Any]:
    """`digest`, but every fifth item is refused, and every seventh meets a bug."""
    if item["n"] % 5 == 0:
        raise InputError(f"{item['n']} is refused", hint="take another")
    if item["n"] % 7 == 0:
        raise ZeroDivisionError("a bug")
    return digest(item)


def not_json(item: str) -> object:
    return {item}


def leaves(item: str) -> None:
    sys.exit(item)


def starts(item: dict[str, Any]) -> int:
    """Count a start of this item in its file, and say how many there were."""
    with Path(item["file"]).open("a+b") as file:
        file.write(b".")
        return file.tell()


def dies(item: dict[str, Any]) -> str:
    """Killed at each of the first `deaths` starts."""
    if item["deaths"] and starts(item) <= item["deaths"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def kills_worker(item: dict[str, Any]) -> str:
    """Kills the process above its own, once."""
    if starts(item) == 1:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return "survived"


def hangs(item: dict[str, Any]) -> str:
    """Writes its process id and hangs, in native code that keeps the interpreter's lock."""
    if item.get("file"):
        Path(item["file"]).write_text(str(os.getpid()))
    if item.get("hangs", True):
        re.match(r"(a+)+$", "a" * 60 + "b")
    return "done"


def hangs_with_child(item: dict[str, Any]) -> None:
    """Starts a process of its own, writes its id, and hangs."""
    process = subprocess.Popen(["sleep", "600"])
    Path(item["file"]).write_text(str(process.pid))
    process.wait()


def torn(item: dict[str, Any]) -> str:
    """Killed while its answer is on the way, when the item says so."""
    if item["torn"]:
        for descriptor in range(3, 64):
            with suppress(OSError):
                if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                    os.write(descriptor, struct.pack("!i", 1_000_000) + b"half an answer")
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def hungry(item: dict[str, Any]) -> int:
    return len(bytearray(int(item["bytes"])))


def on_node(item: dict[str, Any]) -> str:
    """Says on which node it runs; on the doomed one it notes that it begins, and never ends.

    On the others it waits for such a note: however slow a node is to start, one task must go there.
    """
    node = os.environ["RAY_RAYLET_PID"]
    folder = Path(item["folder"])
    if node == item["doomed"]:
        (folder / f"stuck-{item['n']}").touch()
        time.sleep(600)
    soon(lambda: list(folder.glob("stuck-*")))
    return node


def surroundings(item: str) -> dict[str, Any]:
    """What a worker finds: threads, its standard input, what is imported."""
    return {
        "threads": os.environ["OMP_NUM_THREADS"],
        "input": sys.stdin.read(),
        "torch": "torch" in sys.modules,
        "id": os.getpid(),
    }


def nested(item: dict[str, Any]) -> Any:
    """A guarded call from within a worker: a sum, or how it was stopped."""
    with Guarded(native, timeout=item.get("timeout")) as guarded:
        try:
            return float(guarded.call(item["what"], 100).sum())
        except Stopped as error:
            return error.kind


def nested_hang(item: dict[str, Any]) -> None:
    """Hangs in a guarded call that writes its process id."""
    with Guarded(hangs) as guarded:
        guarded.call(item)


def native(what: str, size: int) -> NDArray[np.uint8]:
    """Ones; or what a decoder in C might do instead. `exit3` ends the process with code 3."""
    if what == "crash":
        ctypes.string_at(0)
    if what == "hang":
        time.sleep(60)
    if what.startswith("exit"):
        os._exit(int(what.removeprefix("exit")))
    if what == "raise":
        raise InputError(f"{what}: no such thing", hint="take another")
    if what == "memory":
        np.ones(20 * 10**9, np.uint8)
    return np.ones(size, np.uint8)


class Stubborn(Exception):
    """An error that cannot be unpickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def raises_stubborn(item: str) -> None:
    raise Stubborn(1, 2)


def hangs_up(item: str) -> None:
    """Closes everything that it did not open, and stays."""
    os.closerange(3, 256)
    time.sleep(600)


def meets(item: dict[str, Any]) -> int:
    """Comes to a folder, waits there until all are there, and says how many came."""
    folder = Path(item["folder"])
    (folder / str(item["n"])).touch()
    soon(lambda: len(list(folder.iterdir())) == item["all"])
    return len(list(folder.iterdir()))
