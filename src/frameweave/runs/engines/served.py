"""The child's side of a `Child`: wait for arguments, call the function, answer; die with the parent."""

import fcntl
import os
import pickle
import pkgutil
import resource
import select
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any


def serve(name: str, descriptor: int, memory: int) -> None:
    """Answer calls of the function `name` until the parent hangs up.

    `descriptor` is our end of the connection, `memory` the limit of the address space in bytes
    (0 is none). The first answer says whether the function could be imported. An answer is a pair:
    what the function returned, and what it raised.
    """
    _die_with_parent()
    os.dup2(2, 1)  # what a task prints must not stand among the results of the command line
    os.set_inheritable(descriptor, False)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    with Connection(descriptor) as connection:
        try:
            function: Callable[..., Any] = pkgutil.resolve_name(name)
        except (Exception, SystemExit) as error:
            connection.send_bytes(pickle.dumps((None, portable(error))))
            return
        connection.send_bytes(pickle.dumps((None, None)))
        with suppress(EOFError, ConnectionError):  # the parent has hung up
            while True:
                connection.send_bytes(_answer(function, connection.recv_bytes()))


def _answer(function: Callable[..., Any], message: bytes) -> bytes:
    try:
        arguments, named = pickle.loads(message)
        return pickle.dumps((function(*arguments, **named), None), protocol=5)
    except (Exception, SystemExit) as error:
        return pickle.dumps((None, portable(error)))


def portable(error: BaseException) -> BaseException:
    """The error as it can travel, with its traceback as a note; a plain one when it cannot be pickled."""
    trace = "".join(traceback.format_exception(error))
    travelled = RuntimeError(f"{type(error).__name__}: {error}")
    with suppress(Exception):  # whatever an error's own pickling raises
        travelled = pickle.loads(pickle.dumps(error))
    travelled.add_note(f"In the process that raised it:\n{trace}")
    return travelled


def _die_with_parent() -> None:
    """Let the kernel end this process as soon as the parent's end of its standard input closes.

    SIGIO does so even while native code hangs with the interpreter's lock held, which a watching
    thread would not survive, and whichever thread of the parent started us.
    """
    lifeline = os.dup(0)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:  # the parent was gone before the kernel was asked
        sys.exit(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
