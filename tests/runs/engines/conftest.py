"""A real Ray cluster of two nodes on this machine, for all tests of the session, and no process of others."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from processes import descendants, soon

_NODE: dict[str, Any] = {
    "num_cpus": 1,
    "object_store_memory": 100 * 2**20,
    "include_dashboard": False,
    "node_ip_address": "127.0.0.2",  # a loopback address that Ray does not replace by the machine's own
}
_ALERT = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Head and worker node with one processor each; `cluster.address` is where to connect."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join(str(Path(path).resolve()) for path in sys.path if path))
        started = Cluster(initialize_head=True, head_node_args=_NODE | {"_system_config": _ALERT})
        try:
            started.add_node(**_NODE)
            started.wait_for_nodes()
            yield started
        finally:
            started.shutdown()


@pytest.fixture
def another(cluster: Any) -> Iterator[Callable[[], Any]]:
    """Adds a node, which a test may take away."""
    added: list[Any] = []

    def add() -> Any:
        added.append(cluster.add_node(**_NODE))
        cluster.wait_for_nodes()
        return added[-1]

    yield add
    for node in added:
        if node in cluster.worker_nodes:
            cluster.remove_node(node)


@pytest.fixture(scope="module", autouse=True)
def alone() -> None:
    """End what jobs keep for their next clip, as these tests count processes; it is replaced when needed."""
    for process in descendants():
        process.kill()
    assert soon(lambda: not descendants())
