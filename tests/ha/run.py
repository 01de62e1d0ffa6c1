"""One fail-over under load: the clients' answers, their waits, and whether any money was lost or doubled."""

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import requests
from sqlalchemy import make_url

from tests.conftest import fresh_database
from tests.crash.caller import Intent
from tests.crash.oracle import Oracle
from tests.crash.tables import Ledger, Tables
from tests.ha.clients import TimedLoad, Watch
from tests.ha.cluster import Cluster, Node
from tests.support.freezing import standing_still
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.processes import Service, flask
from tests.support.simulator import running_simulator
from tests.support.waiting import wait_until

Fault = Literal["switchover", "crash", "machine", "frozen", "paused", "standby"]

FROZEN = 35.0
"""Seconds for which something stands still."""

CLIENTS = 8
BEFORE, AFTER = 4.0, 8.0
"""Seconds of load before the fault, and after the service is back."""


@dataclass
class Report:
    """The result of one run; times in seconds. `waited` is how long a key waited once the database was back."""

    fault: Fault
    gap: float = 0.0
    waited: float = 0.0
    slowest_readiness: float = 0.0
    false_readiness: int = 0
    hangs: int = 0
    answers: Mapping[str, int] = field(default_factory=dict)
    paid: int = 0
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return one line of JSON."""
        rounded = {name: round(value, 1) if isinstance(value, float) else value for name, value in vars(self).items()}
        return json.dumps(rounded)


def run(fault: Fault, home: Path) -> Report:
    """Let clients pay on a cluster of three while the fault happens, and judge what there is afterwards."""
    report = Report(fault)
    with closing(Cluster(home)) as cluster, running_simulator(home) as bank, ExitStack() as stack:
        ledger = stack.enter_context(closing(Ledger(str(bank.ledger_path))))
        cluster.start()
        url = _database(cluster)
        port = free_port()
        own = {"DATABASE_URL": url, "GATEWAY_URL": bank.url, "BIND": f"127.0.0.1:{port}", "DOTENV_READ": "1"}
        web = stack.enter_context(closing(Service.gunicorn(own | {"WEB_CONCURRENCY": "2"})))
        worker = stack.enter_context(
            closing(Service(sys.executable, "-m", "flask", "--app", "wsgi", "worker", settings=own))
        )
        wait_until(lambda: _is_ready(port), web.last_words)
        load, watch = TimedLoad(f"ha-{fault}", port, CLIENTS), Watch(port)
        watch.start()
        try:
            intents = load.during(lambda: _happen(cluster, fault, load))
        finally:
            watch.stop()
        assert worker.process.poll() is None, worker.last_words()
        if "Traceback" in web.log() + worker.log():
            report.violations.append("harness: a traceback in the log")
        wait_until(lambda: flask("recover", settings=own).startswith("0 finished 0 undecided"), patience=60)
        report.violations += _judged(cluster, ledger, intents)
        report.violations += [line for line in flask("verify", settings=own).splitlines() if line != "no violations"]
    _measure(report, load, watch)
    return report


def _database(cluster: Cluster) -> str:
    """Return a migrated database; its address is that of all nodes, and leads to whichever takes writes."""
    primary = cluster.primary()
    assert primary is not None
    server = Postgres(make_url(f"postgresql://test@127.0.0.1:{primary.port}/postgres"))
    fresh_database(server, "payments")
    return cluster.url("payments", "test") + "&options=-crole%3Dpayments_app"


def _is_ready(port: int) -> bool:
    with suppress(requests.RequestException):
        return requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).status_code == 200
    return False


def _happen(cluster: Cluster, fault: Fault, load: TimedLoad) -> None:
    time.sleep(BEFORE)
    wait_until(lambda: load.paid > 20)
    before = cluster.primary()
    assert before is not None
    with _FAULTS[fault](cluster, before):
        began = time.monotonic()
        if fault in {"frozen", "paused", "standby"}:
            time.sleep(FROZEN)
        wait_until(lambda: load.granted and load.granted[-1][0] > began + 1, cluster.logs, 60)
    time.sleep(AFTER)


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
def _lost(cluster: Cluster, before: Node) -> Iterator[None]:
    before.kill()
    yield
    cluster.start_node(before)


def _frozen(_cluster: Cluster, before: Node) -> AbstractContextManager[None]:
    """Freeze the server's processes, but not Patroni's."""
    return standing_still(before.server_pids)


def _paused(_cluster: Cluster, before: Node) -> AbstractContextManager[None]:
    """Freeze the whole machine."""
    return standing_still(before.pids)


def _standby_paused(cluster: Cluster, _before: Node) -> AbstractContextManager[None]:
    """Freeze the machine of the synchronous standby."""
    return standing_still(next(node for node in cluster.nodes if node.role() == "sync_standby").pids)


_FAULTS: Mapping[Fault, Callable[[Cluster, Node], AbstractContextManager[None]]] = {
    "switchover": _switched_over,
    "crash": _crashed,
    "machine": _lost,
    "frozen": _frozen,
    "paused": _paused,
    "standby": _standby_paused,
}


def _judged(cluster: Cluster, ledger: Ledger, intents: Sequence[Intent]) -> list[str]:
    wait_until(cluster.primary, cluster.logs, 60)
    primary = cluster.primary()
    assert primary is not None
    url = f"postgresql://test@127.0.0.1:{primary.port}/payments"
    with closing(Tables(url)) as tables:
        return Oracle(tables, ledger, intents).judge()


def _measure(report: Report, load: TimedLoad, watch: Watch) -> None:
    report.gap, back = load.gap()
    report.waited = load.waited_since(back)
    report.slowest_readiness, report.hangs = watch.slowest(), load.hangs
    report.false_readiness = watch.lied([at for at, _ in load.granted])
    report.paid = len(load.granted)
    heard = Counter(str(each.status) for intent in load.intents for each in intent.heard)
    report.answers = dict(sorted(heard.items()))
    unfinished = [intent.label for intent in load.intents if not intent.finals]
    report.violations += [f"L3 {label}: never answered" for label in unfinished]
