"""gunicorn answers every accepted request before it stops: no charge is cut off, and no caller is left waiting."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.processes import Service, flask
from tests.support.waiting import wait_until

DATABASE = "payments_stopping"


class Web:
    """gunicorn on a port and a database of its own."""

    def __init__(self, database_url: str, home: Path, **settings: str) -> None:
        port = free_port()
        self.address = ("127.0.0.1", port)
        self.url = f"http://127.0.0.1:{port}"
        own = {"SERVICE_PORT": str(port), "DATABASE_URL": database_url, "TMPDIR": str(home), "LOG_LEVEL": "WARNING"}
        self.service = Service.gunicorn(own | settings)
        wait_until(self.is_ready, self.service.last_words)

    def is_ready(self) -> bool:
        assert self.service.process.poll() is None, self.service.last_words()
        try:
            return requests.get(f"{self.url}/health/ready", timeout=10).status_code == 200
        except requests.ConnectionError:
            return False


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    url = postgres.create_database(DATABASE)
    flask("db", "upgrade", settings={"DATABASE_URL": url})
    yield url
    postgres.drop_database(DATABASE)


@pytest.fixture
def web(database_url: str, tmp_path: Path) -> Iterator[Web]:
    web = Web(database_url, tmp_path, GATEWAY_LATENCY_MS="30", DRAIN_SECONDS="1")
    yield web
    web.service.close()


class Load:
    """Clients that pay without pause until `enough`: some on one connection, some on a new one for every request."""

    def __init__(self, web: Web, clients: int = 12) -> None:
        self.web = web
        self.enough = threading.Event()
        self.outcomes: Counter[str] = Counter()
        self._count = threading.Lock()
        self._threads = [threading.Thread(target=self._pay, args=(number,)) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def _pay(self, client: int) -> None:
        kept = requests.Session()
        attempt = 0
        while not self.enough.is_set():
            attempt += 1
            caller: Any = kept if client % 2 else requests
            body = {"idempotency_key": f"{client}-{attempt}", "trip_id": 7, "method": "CARD", "amount": 150.0}
            try:
                answer = caller.post(f"{self.web.url}/payments", json=body, timeout=20)
                outcome = str(answer.status_code)
            except requests.RequestException as error:
                outcome = "refused" if "refused" in str(error) else f"failed: {error}"
            with self._count:
                self.outcomes[outcome] += 1
            if outcome == "refused":
                return

    def end(self) -> Counter[str]:
        self.enough.set()
        for thread in self._threads:
            thread.join()
        return self.outcomes


def test_balancer_that_follows_readiness_gets_no_refusal_during_a_stop(web: Web) -> None:
    load = Load(web)
    time.sleep(0.5)
    web.service.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not web.is_ready(), patience=5)
    readiness = requests.get(f"{web.url}/health/ready", timeout=5)
    alive = requests.get(f"{web.url}/health/live", timeout=5)
    outcomes = load.end()

    assert (readiness.status_code, readiness.json()["status"], readiness.json()["draining"]) == (503, "not_ready", True)
    assert all(readiness.json()["checks"].values())
    assert alive.status_code == 200
    assert set(outcomes) == {"200"}, outcomes
    assert web.service.process.wait(timeout=20) == 0, web.service.last_words()


def test_client_that_ignores_readiness_is_answered_until_the_port_closes(database_url: str, tmp_path: Path) -> None:
    web = Web(database_url, tmp_path, GATEWAY_LATENCY_MS="30")
    load = Load(web)
    time.sleep(0.5)
    code = web.service.stop()
    outcomes = load.end()
    web.service.close()

    assert code == 0, web.service.last_words()
    assert set(outcomes) == {"200", "refused"}, outcomes
    assert outcomes["refused"] <= 12
    assert outcomes["200"] > 12


def test_second_signal_stops_the_service_at_once(database_url: str, tmp_path: Path) -> None:
    web = Web(database_url, tmp_path, DRAIN_SECONDS="60")
    web.service.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not web.is_ready(), patience=5)
    code = web.service.stop()
    web.service.close()

    assert code == 0
