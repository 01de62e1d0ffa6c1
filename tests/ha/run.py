"""One fail-over under load: the clients' answers, their waits, and whether any money was lost or doubled."""

import sys
import time
from collections import Counter
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import requests

from tests.conftest import template
from tests.crash.oracle import Oracle
from tests.crash.tables import Ledger, Tables
from tests.ha.clients import TimedLoad, Watch
from tests.ha.cluster import Cluster
from tests.ha.faults import HAPPEN, Row
from tests.ha.report import Report
from tests.ha.ways import DATABASE, Addresses, opened, superuser
from tests.support.ports import free_port
from tests.support.processes import Service, flask
from tests.support.simulator import running_simulator
from tests.support.waiting import wait_until

BEFORE, AFTER = 4.0, 8.0
"""Seconds of load before the fault, and after the service is back."""

LATENCY = 100
"""Milliseconds that the bank takes: there are payments in flight at any moment, and the machine is not busy."""


def run(row: Row, cluster: Cluster, home: Path) -> Report:
    """Let clients pay on the cluster while the fault happens, and judge what there is afterwards.

    The cluster is whole before and may not be afterwards.
    """
    report, began = Report(row), time.monotonic()
    _empty_database(cluster)
    with ExitStack() as stack:
        stack.enter_context(cluster.configured(row.configuration))
        bank = stack.enter_context(running_simulator(home, latency_ms=LATENCY))
        ledger = stack.enter_context(closing(Ledger(str(bank.ledger_path))))
        addresses = stack.enter_context(opened(row.way, cluster, home, slow=row.slow_checks, cut=row.cut))
        _pay(report, cluster, bank.url, ledger, addresses)
        cluster.start()
    report.took = time.monotonic() - began
    return report


def _empty_database(cluster: Cluster) -> None:
    """Make an empty database, as a copy of one that was migrated when the cluster was new."""
    server = superuser(cluster)
    if not cluster.template:
        cluster.template = template(server)
    server.drop_database(DATABASE)
    server.create_database(DATABASE, template=cluster.template)


def _pay(report: Report, cluster: Cluster, bank: str, ledger: Ledger, addresses: Addresses) -> None:
    port = free_port()
    own = {"GATEWAY_URL": bank, "BIND": f"127.0.0.1:{port}", "DOTENV_READ": "1", "WEB_CONCURRENCY": "2"}
    behind = own | {"DATABASE_URL": addresses.worker}
    web = Service.gunicorn(own | {"DATABASE_URL": addresses.web})
    worker = Service(sys.executable, "-m", "flask", "--app", "wsgi", "worker", settings=behind)
    with closing(web), closing(worker):
        wait_until(lambda: _is_ready(port), web.last_words)
        load, watch = TimedLoad(f"ha-{report.row.fault}", port, report.row.clients), Watch(port)
        watch.start()
        try:
            load.during(lambda: _happen(cluster, report.row, load))
        finally:
            watch.stop()
        assert worker.process.poll() is None, worker.last_words()
        if "Traceback" in web.log() + worker.log():
            report.violations.append("harness: a traceback in the log")
        _measure(report, load, watch)
        wait_until(lambda: flask("recover", settings=behind).startswith("0 finished 0 undecided"), patience=60)
        # Before the repeats: they would put right what is lost.
        found = flask("verify", settings=behind)
        report.violations += [line for line in found.splitlines() if line != "no violations"]
        report.differing = load.repeat_all()
        _judge(report, cluster, ledger, load)


def _is_ready(port: int) -> bool:
    with suppress(requests.RequestException):
        return requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).status_code == 200
    return False


def _happen(cluster: Cluster, row: Row, load: TimedLoad) -> None:
    time.sleep(BEFORE)
    wait_until(lambda: load.paid > 20)
    before = cluster.primary()
    assert before is not None
    began = time.monotonic()
    with HAPPEN[row.fault](cluster, before):
        wait_until(lambda: load.attempts and load.granted[-1].ended > began + 1, cluster.logs, 60)
    time.sleep(AFTER)


def _judge(report: Report, cluster: Cluster, ledger: Ledger, load: TimedLoad) -> None:
    wait_until(cluster.primary, cluster.logs, 60)
    with closing(Tables(superuser(cluster).url(DATABASE))) as tables:
        oracle = Oracle(tables, ledger, load.intents)
        found = oracle.judge()
    report.doubles, report.lost = oracle.counts.double, sum(line.startswith("S17") for line in found)
    report.violations += found


def _measure(report: Report, load: TimedLoad, watch: Watch) -> None:
    report.gap, report.waited, report.refused = load.gap(), load.waited(), load.refusing()
    report.in_vain, report.unready = watch.wrong(load.attempts)
    report.slowest_readiness, report.hangs = watch.slowest(), load.hangs
    report.paid = len(load.granted)
    heard = Counter(str(each.status) for intent in load.intents for each in intent.heard)
    report.answers = dict(sorted(heard.items()))
    unfinished = [intent.label for intent in load.intents if not intent.finals]
    report.violations += [f"L3 {label}: never answered" for label in unfinished]
