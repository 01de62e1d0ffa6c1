"""What can happen to a cluster, and the rows of the table: each fault with each way to the primary."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from tests.ha.cluster import Cluster, Node
from tests.ha.ways import Way
from tests.support.freezing import standing_still

Fault = Literal[
    "none",
    "switchover",
    "crash",
    "machine",
    "lagging",
    "frozen",
    "paused",
    "partitioned",
    "leader",
    "quorum",
    "standby",
]

MEANING: Mapping[Fault, str] = {
    "none": "nothing",
    "switchover": "switchover",
    "crash": "PostgreSQL is killed, Patroni starts it again",
    "machine": "the primary's machine is lost",
    "lagging": "the standbys get nothing for 2.3 s, then the primary's machine is lost",
    "frozen": "PostgreSQL stands still, Patroni does not",
    "paused": "the primary's machine stands still",
    "partitioned": "the primary's cable is out",
    "leader": "the leader of the consensus is lost",
    "quorum": "two of three members of the consensus stand still",
    "standby": "the synchronous standby's machine stands still",
}

STILL = 35.0
"""Seconds for which something stands still or is cut off: longer than it takes to replace a primary."""

WITHOUT_QUORUM = 25.0
BEHIND = 2.3


@dataclass(frozen=True)
class Row:
    """A row of the table: `but` says what is other than in deploy/, or than in all rows."""

    fault: Fault
    way: Way
    but: str = ""
    clients: int = 8
    slow_checks: bool = False
    cut: bool = True
    configuration: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        """Return what happens, in words."""
        return MEANING[self.fault] + (f"; {self.but}" if self.but else "")


TIMES = {"ttl": 30, "loop_wait": 10, "retry_timeout": 10}
"""Patroni's defaults."""

ROWS: Sequence[Row] = (
    Row("none", "direct"),
    *(Row(fault, way) for fault in get_args(Fault)[1:] for way in get_args(Way)),
    Row("switchover", "haproxy", "checks of Patroni's sample", slow_checks=True),
    Row("switchover", "haproxy", "the same, and no connection is cut", slow_checks=True, cut=False),
    Row("machine", "haproxy", "Patroni's default times", configuration=TIMES),
    Row("frozen", "direct", "24 clients", clients=24),
    *(Row("quorum", way, "no failsafe mode", configuration={"failsafe_mode": False}) for way in ("direct", "haproxy")),
    Row(
        "standby",
        "haproxy",
        "PostgreSQL's default wal_sender_timeout",
        configuration={"postgresql": {"parameters": {"wal_sender_timeout": "60s"}}},
    ),
)


@contextmanager
def _nothing(_cluster: Cluster, _before: Node) -> Iterator[None]:
    yield


@contextmanager
def _switched_over(cluster: Cluster, before: Node) -> Iterator[None]:
    cluster.switch_over()
    cluster.wait_for_another_primary(before, 30)
    yield


@contextmanager
def _crashed(_cluster: Cluster, before: Node) -> Iterator[None]:
    """Kill the server; Patroni starts it again."""
    os.kill(before.server(), signal.SIGKILL)
    yield


@contextmanager
def _lost(_cluster: Cluster, before: Node) -> Iterator[None]:
    before.kill()
    yield


@contextmanager
def _lagging(cluster: Cluster, before: Node) -> Iterator[None]:
    with standing_still(lambda: [pid for node in cluster.nodes for pid in _receivers(node)]):
        time.sleep(BEHIND)
        before.kill()
    yield


@contextmanager
def _frozen(_cluster: Cluster, before: Node) -> Iterator[None]:
    """Freeze the server's processes, but not Patroni's."""
    with standing_still(before.server_pids):
        time.sleep(STILL)
        yield


@contextmanager
def _paused(_cluster: Cluster, before: Node) -> Iterator[None]:
    """Freeze the whole machine."""
    with standing_still(before.pids):
        time.sleep(STILL)
        yield


@contextmanager
def _partitioned(cluster: Cluster, before: Node) -> Iterator[None]:
    cluster.network.cut(before.number)
    time.sleep(STILL)
    yield
    cluster.network.mend(before.number)


@contextmanager
def _leader_lost(cluster: Cluster, _before: Node) -> Iterator[None]:
    cluster.consensus.kill_leader()
    time.sleep(5)
    yield


@contextmanager
def _quorum_lost(cluster: Cluster, _before: Node) -> Iterator[None]:
    most = cluster.consensus.pids(2)
    with standing_still(lambda: most):
        time.sleep(WITHOUT_QUORUM)
    yield


@contextmanager
def _standby_paused(cluster: Cluster, _before: Node) -> Iterator[None]:
    """Freeze the machine of the synchronous standby."""
    with standing_still(next(node for node in cluster.nodes if node.role() == "sync_standby").pids):
        time.sleep(STILL)
        yield


HAPPEN: Mapping[Fault, Callable[[Cluster, Node], Any]] = {
    "none": _nothing,
    "switchover": _switched_over,
    "crash": _crashed,
    "machine": _lost,
    "lagging": _lagging,
    "frozen": _frozen,
    "paused": _paused,
    "partitioned": _partitioned,
    "leader": _leader_lost,
    "quorum": _quorum_lost,
    "standby": _standby_paused,
}


def _receivers(node: Node) -> list[int]:
    """Return the processes of a standby that receive from its primary."""
    titles = {pid: Path(f"/proc/{pid}/cmdline") for pid in node.server_pids()}
    return [pid for pid, title in titles.items() if b"walreceiver" in title.read_bytes()]
