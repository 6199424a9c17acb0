"""Run a function where it can do no harm: native decoders crash, hang, and fill the memory."""

import pickle
from collections.abc import Callable
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar

from frameweave.runs.engines.child import Child
from frameweave.runs.engines.task import Stopped, name_of

P = ParamSpec("P")
R = TypeVar("R")


class Guarded(Generic[P, R]):
    """A function that runs in a child process of its own, which is kept for the next call.

    `function` stands at the top of a module (or is its name, such as `package.module:function`, when
    the module shall be imported by the child only). `timeout` is in seconds per call, without the
    start of the child; `memory` limits the child's address space, in bytes. Make it in the process
    that calls it, and call it from one thread. It may be made in workers of any kind.
    """

    def __init__(
        self, function: Callable[P, R] | str, *, timeout: float | None = None, memory: int | None = None
    ) -> None:
        self._name = function if isinstance(function, str) else name_of(function)
        self._timeout = timeout
        self._memory = memory
        self._child: Child | None = None
        self._over = False

    def call(self, *arguments: P.args, **named: P.kwargs) -> R:
        """What the function returns; arguments and result travel as pickles.

        Raises what the function raises, and `Stopped` when the child was too slow, died or ran out
        of memory. Then the next call has a new child.
        """
        message = pickle.dumps((arguments, named), protocol=5)
        child = self._child
        if child is None or not child.alive:
            child = self._child = Child(self._name, memory=self._memory)
        try:
            if self._over:  # asked after the child is known to `kill`: one of the two sees the other
                raise Stopped("the work is over", kind="raised")
            value, error = child.ask(message, self._timeout)
        except BaseException:  # also Ctrl-C: a late reply must not be taken for that of the next call
            child.kill()
            raise
        if error is not None:
            raise error
        return value

    def kill(self) -> None:
        """End the child at once and refuse later calls; from any thread."""
        self._over = True
        if self._child is not None:
            self._child.signal()

    def close(self) -> None:
        """End the child. A later call starts a new one."""
        if self._child is not None:
            self._child.dismiss()
            self._child = None

    def __enter__(self) -> "Guarded[P, R]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
