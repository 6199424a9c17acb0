"""Run a function where it can do no harm: native decoders crash, hang, and fill the memory."""

from collections.abc import Callable
from multiprocessing.connection import wait
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar

from frameweave.runs.engines.child import Child, dismissed
from frameweave.runs.engines.task import name_of

P = ParamSpec("P")
R = TypeVar("R")


class Guarded(Generic[P, R]):
    """A function that runs in a child process of its own, which is kept for the next call.

    `function` stands at the top of a module (or is its name, such as `package.module:function`, when
    the module shall be imported by the child only). `timeout` is in seconds per call, without the
    start of the child; `memory` limits the child's address space, in bytes. Make it in the process
    and thread that calls it. It may be made in workers of any kind.
    """

    def __init__(
        self, function: Callable[P, R] | str, *, timeout: float | None = None, memory: int | None = None
    ) -> None:
        self._name = function if isinstance(function, str) else name_of(function)
        self._timeout = timeout
        self._memory = memory
        self._child: Child | None = None

    def call(self, *arguments: P.args, **named: P.kwargs) -> R:
        """What the function returns; arguments and result are pickled, arrays without a copy.

        Raises what the function raises, and `Stopped` when the child was too slow, died or ran out
        of memory. Then the next call has a new child.
        """
        if self._child is None or not self._child.alive:
            self._child = Child(self._name, memory=self._memory)
        child = self._child
        try:
            child.begin(arguments, named, self._timeout)
            reply = None
            while reply is None:
                if not wait([child.connection], child.remaining()):
                    raise child.overdue()
                reply = child.receive()
        except BaseException:  # also Ctrl-C: a late reply must not be taken for that of the next call
            child.kill()
            raise
        if reply.error is not None:
            raise reply.error
        return reply.value

    def close(self) -> None:
        """End the child. A later call starts a new one."""
        if self._child is not None:
            dismissed([self._child])
            self._child = None

    def __enter__(self) -> "Guarded[P, R]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
