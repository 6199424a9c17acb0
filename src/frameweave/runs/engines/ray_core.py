"""The engine of many machines: Ray Core tasks.

Ray brings a task to a node and tries again when a node is lost. On the node the task runs in a
guarded process, as in the local pool: Ray does not tell when a task has begun, so a time limit
kept from here would count the time in the queue.
"""

import logging
import os
import socket
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from frameweave.errors import InputError, require_extra
from frameweave.progress import SILENT, Progress
from frameweave.runs.engines.flow import outcomes_of
from frameweave.runs.engines.guard import Guarded
from frameweave.runs.engines.task import Failure, Function, Item, Outcome, Task, attempted, name_of

_NODE_LOSSES = 3  # a task is not to blame for its node, so these do not count as retries
_PATIENCE = 10.0  # seconds that the head of a cluster may take to answer
_OBJECT_STORE = 100 * 2**20  # bytes; only small records travel, and /dev/shm is small in containers


@dataclass(frozen=True, kw_only=True)
class RayCore:
    """Tasks on a Ray cluster, spread over its nodes; or on a Ray of our own on this machine.

    A Ray that the program is connected to already is used and left as it is. Otherwise one is
    started, or connected to, when the first outcome is asked for, and left after the last.
    """

    address: str | None = None
    """A cluster's head, such as 10.0.0.1:6379; default: start a Ray on this machine."""
    workers: int | None = None
    """Tasks at once; default: as many as the cluster has processors, and as many waiting."""
    timeout: float | None = None
    """Seconds that a task may take, without the start of its process."""
    memory: int | None = None
    """Bytes of address space that a task's process may have."""
    retries: int = 1
    """How often a task is tried again when its process died; a lost node does not count."""

    def run(
        self, function: Function, items: Iterable[Item], *, what: str = "items", progress: Progress = SILENT
    ) -> Generator[Outcome, None, None]:
        _imported()
        crew = self._crew(name_of(function))
        return outcomes_of(crew, items, retries=self.retries, what=what, progress=progress)

    @contextmanager
    def _crew(self, name: str) -> Generator["_Cluster", None, None]:
        with self._connected() as ray:
            cluster = _Cluster(ray, name, self)
            try:
                yield cluster
            finally:
                cluster.cancel()

    @contextmanager
    def _connected(self) -> Generator[Any, None, None]:
        ray = _imported()
        if ray.is_initialized():
            yield ray
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        quiet: dict[str, int] = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if self.address is not None:
                _reach(self.address)
                ray.init(self.address, **quiet)
            else:
                ray.init(
                    "local",
                    num_cpus=self.workers,
                    include_dashboard=False,
                    object_store_memory=_OBJECT_STORE,
                    **quiet,
                )
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            if self.address is None:
                raise InputError(
                    f"Ray does not start: {error}", hint="see if another one runs here"
                ) from error
            raise InputError(
                f"no Ray at {self.address}: {error}",
                hint="check the address with ray status, and that all nodes have the same versions",
            ) from error
        try:
            yield ray
        finally:
            ray.shutdown()


class _Cluster:
    """A Ray that we are connected to."""

    def __init__(self, ray: Any, name: str, engine: RayCore) -> None:
        self._ray = ray
        self._engine = engine
        self._arguments = name, engine.timeout, engine.memory
        self._remote = ray.remote(
            num_cpus=1, max_retries=_NODE_LOSSES, retry_exceptions=False, scheduling_strategy="SPREAD"
        )(_attempted_on_node)
        self._under_way: dict[Any, tuple[Task, float]] = {}

    def most(self) -> int:
        return self._engine.workers or 2 * max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def begin(self, task: Task) -> None:
        self._under_way[self._remote.remote(task, *self._arguments)] = task, time.monotonic()

    def ended(self) -> list[Outcome]:
        done, _ = self._ray.wait(list(self._under_way))
        return [_outcome(self._ray, reference, *self._under_way.pop(reference)) for reference in done]

    def cancel(self) -> None:
        for reference in self._under_way:
            self._ray.cancel(reference, force=True)


def _reach(address: str) -> None:
    """Raise `OSError` or `ValueError` when nobody answers at `address`: Ray itself tries for minutes."""
    place = urlsplit("//" + address.removeprefix("ray://"))
    if place.hostname and place.port:  # not a word, such as auto
        socket.create_connection((place.hostname, place.port), timeout=_PATIENCE).close()


def _imported() -> Any:
    require_extra("ray", "ray")
    import ray  # noqa: PLC0415 - an extra

    return ray


def _attempted_on_node(task: Task, name: str, timeout: float | None, memory: int | None) -> Outcome:
    return attempted(task, _guarded(name, timeout, memory).call)


@lru_cache(maxsize=1)
def _guarded(name: str, timeout: float | None, memory: int | None) -> Guarded[..., Any]:
    return Guarded(name, timeout=timeout, memory=memory)


def _outcome(ray: Any, reference: Any, task: Task, started: float) -> Outcome:
    attempts = 1 + _NODE_LOSSES
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:  # what a task raises comes as an outcome: it has not begun
        raise InputError(
            f"a node cannot run Frameweave: {str(error).strip().splitlines()[-1]}",
            hint="install the same versions of Frameweave and Python on all nodes",
        ) from error
    except ray.exceptions.RayError as error:
        memory = isinstance(error, ray.exceptions.OutOfMemoryError)
        message = f"lost by Ray {attempts} times: {type(error).__name__}"
        kind = "memory" if memory else "crashed"
        failure = Failure(kind=kind, message=f"{message}; see the logs of the nodes", trace=str(error))
        return Outcome(
            position=task.position,
            item=task.item,
            failure=failure,
            seconds=time.monotonic() - started,
            attempts=attempts,
        )
