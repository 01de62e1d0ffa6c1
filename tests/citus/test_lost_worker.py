"""A worker of the cluster dies under load: no charge is lost or doubled, and readiness tells the truth."""

import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import requests

from tests.crash.oracle import Oracle
from tests.crash.tables import Ledger, Tables
from tests.ha.clients import TimedLoad, Watch
from tests.ha.report import LAG
from tests.support.citus import CitusPostgres, WorkerServer
from tests.support.ports import free_port
from tests.support.processes import Service, flask
from tests.support.simulator import running_simulator
from tests.support.waiting import wait_until

CLIENTS = 8
BEFORE, DEAD, AFTER = 4.0, 8.0, 8.0
"""Seconds of load before a worker dies, while it is dead, and after it is back."""

NOTICED = 1.0
"""Seconds within which readiness notices a dead worker."""


def test_worker_killed_under_load_loses_no_payment(
    cluster: CitusPostgres, lent: Callable[[str], str], tmp_path: Path
) -> None:
    port, worker, killed = free_port(), WorkerServer(cluster.workers[-1]), list[float]()
    with running_simulator(tmp_path) as bank, ExitStack() as stack:
        ledger = stack.enter_context(closing(Ledger(str(bank.ledger_path))))
        own = {"DATABASE_URL": lent("lost_worker"), "GATEWAY_URL": bank.url}
        own |= {"BIND": f"127.0.0.1:{port}", "DOTENV_READ": "1"}
        web = stack.enter_context(closing(Service.gunicorn(own | {"WEB_CONCURRENCY": "2"})))
        background = stack.enter_context(
            closing(Service(sys.executable, "-m", "flask", "--app", "wsgi", "worker", settings=own))
        )
        wait_until(lambda: _ready(port) == 200, web.last_words)
        load, watch = TimedLoad("citus", port, CLIENTS), Watch(port)
        watch.start()
        try:
            intents = load.during(lambda: _kill_and_start_again(worker, load, killed))
        finally:
            watch.stop()
        assert background.process.poll() is None, background.last_words()
        wait_until(lambda: flask("recover", settings=own).startswith("0 finished 0 undecided"), patience=60)
        with closing(Tables(cluster.url("lost_worker"))) as tables:
            violations = Oracle(tables, ledger, intents).judge()
        violations += [line for line in flask("verify", settings=own).splitlines() if line != "no violations"]
        traces = [line for line in (web.log() + background.log()).splitlines() if "Traceback" in line]

    heard = Counter(each.status for intent in load.intents for each in intent.heard)
    in_vain, _ = watch.wrong(load.attempts)
    print(f"{len(load.granted)} paid, {dict(heard)}, gap {load.gap():.1f} s, waited {load.waited():.1f} s")  # noqa: T201 - shown with -s
    assert violations == []
    assert traces == []
    assert set(heard) <= {200, 409, 503}, heard
    assert [intent.label for intent in load.intents if not intent.finals] == []
    assert load.hangs == 0
    while_dead = [status for at, status, _ in watch.looks if killed[0] + NOTICED < at < killed[1]]
    assert while_dead.count(503) == len(while_dead) > 0, while_dead
    assert watch.looks[-1][1] == 200
    assert in_vain <= LAG


def _kill_and_start_again(worker: WorkerServer, load: TimedLoad, killed: list[float]) -> None:
    """Note in `killed` when the worker died, and when it was started again."""
    time.sleep(BEFORE)
    wait_until(lambda: load.paid > 20)
    worker.kill()
    killed.append(time.monotonic())
    time.sleep(DEAD)
    killed.append(time.monotonic())
    worker.start()
    began = time.monotonic()
    wait_until(lambda: load.granted and load.granted[-1].ended > began + 1, patience=60)
    time.sleep(AFTER)


def _ready(port: int) -> int:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).status_code
    except requests.RequestException:
        return 0
