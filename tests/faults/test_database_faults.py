"""A database that is down, crashes under load, or is locked: 503 in time, nothing lost, and no restart needed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import requests

from tests.conftest import fresh_database, migrate
from tests.crash.load import Load
from tests.crash.oracle import Oracle
from tests.crash.tables import Ledger, Tables
from tests.support.ports import free_port
from tests.support.postgres import ThrowawayPostgres
from tests.support.processes import Service, flask
from tests.support.simulator import running_simulator
from tests.support.waiting import wait_until

SHORT = {
    # The patience of a service that must not keep its tests waiting; each longer than the one before needs.
    "GATEWAY_CONNECT_TIMEOUT": "0.3",
    "GATEWAY_READ_TIMEOUT": "0.5",
    "GUNICORN_TIMEOUT": "3",
    "NGINX_TIMEOUT": "4",
    "LEASE_SECONDS": "5",
}


@pytest.fixture(scope="module")
def server() -> Iterator[ThrowawayPostgres]:
    """Yield a server of our own: it will be stopped in the middle of things."""
    with closing(ThrowawayPostgres()) as server:
        yield server


class Running:
    """A service behind HTTP, in processes of its own."""

    def __init__(self, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings = {"BIND": f"127.0.0.1:{self.port}", **settings}
        self.service = Service.gunicorn(self._settings)
        wait_until(lambda: self.get("/health/ready") == 200, self.service.last_words)

    def close(self) -> None:
        self.service.close()

    def restart(self) -> None:
        assert self.service.stop() == 0, self.service.last_words()
        self.service.close()
        self.service = Service.gunicorn(self._settings)
        wait_until(lambda: self.get("/health/ready") == 200, self.service.last_words)

    def get(self, path: str) -> int:
        try:
            return requests.get(self.url + path, timeout=10).status_code
        except requests.ConnectionError:
            return 0

    def pay(self, key: str) -> requests.Response:
        body = {"idempotency_key": key, "trip_id": 1, "method": "CARD", "amount": 12.5}
        return requests.post(f"{self.url}/payments", json=body, timeout=10)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    with ExitStack() as stack:

        def start(**settings: str) -> Running:
            running = Running(TMPDIR=str(tmp_path), **settings)
            stack.callback(running.close)
            return running

        yield start


def test_request_without_a_database_answers_503_in_time_and_recovers(
    server: ThrowawayPostgres, run: Callable[..., Running]
) -> None:
    service = run(DATABASE_URL=fresh_database(server, "down"))
    assert service.pay("before").status_code == 200
    server.stop("fast")
    refusals = [service.pay(f"while-{number}") for number in range(3)]
    looked = [service.get(path) for path in ("/payments", "/payments/1", "/health/ready", "/health", "/health/live")]
    checks = requests.get(f"{service.url}/health/ready", timeout=10).json()["checks"]
    server.start()

    errors = [(refused.status_code, refused.json()["code"]) for refused in refusals]
    assert errors == [(503, "database_unavailable")] * 3
    assert {refused.headers["Retry-After"] for refused in refusals} == {"1"}
    assert max(refused.elapsed.total_seconds() for refused in refusals) < 2
    assert looked == [503, 503, 503, 200, 200]
    assert (checks["database"], checks["migrations"]) == (False, False)
    wait_until(lambda: '"cause": "OperationalError: ' in service.service.log(), service.service.last_words)
    wait_until(lambda: service.get("/health/ready") == 200, service.service.last_words, patience=5)
    assert service.pay("while-0").status_code == 200
    assert service.pay("before").headers["Idempotent-Replayed"] == "true"


def test_service_starts_before_its_database(server: ThrowawayPostgres, run: Callable[..., Running]) -> None:
    url = fresh_database(server, "late")
    server.stop("fast")
    settings = {"DATABASE_URL": url, "BIND": f"127.0.0.1:{free_port()}"}
    with closing(Service.gunicorn(settings)) as service:
        address = f"http://{settings['BIND']}"

        def says(path: str) -> int:
            try:
                return requests.get(address + path, timeout=5).status_code
            except requests.ConnectionError:
                return 0

        wait_until(lambda: says("/health") == 200, service.last_words)
        before = says("/health/ready")
        server.start()
        wait_until(lambda: says("/health/ready") == 200, service.last_words, patience=5)
    assert before == 503


def test_database_that_crashes_three_times_under_load_loses_no_money(
    server: ThrowawayPostgres, run: Callable[..., Running], tmp_path: Path
) -> None:
    url = fresh_database(server, "crashing")
    with running_simulator(tmp_path) as bank:
        ledger = Ledger(str(bank.ledger_path))
        settings = {"DATABASE_URL": url, "GATEWAY_URL": bank.url, **SHORT}
        load = Load("crashing", run(**settings).port, clients=6)

        def crash_three_times() -> None:
            for _ in range(3):
                paid = load.paid
                wait_until(lambda paid=paid: load.paid >= paid + 15)  # type: ignore[misc]
                server.stop("immediate")
                server.start()
            back = load.paid
            wait_until(lambda: load.paid > back, patience=5)

        intents = load.during(crash_three_times)
        flask("recover", settings=settings)
        with closing(Tables(url)) as tables, closing(ledger):
            violations = Oracle(tables, ledger, intents).judge()

    assert not violations
    assert all(intent.finals for intent in intents)
    assert {heard.status for intent in intents for heard in intent.heard} <= {200, 202, 409, 503}
    assert load.refused, "nobody noticed that the database had crashed"


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_restart_of_the_service_keeps_everything(
    lent: Callable[[str], str], run: Callable[..., Running], tmp_path: Path, database: str
) -> None:
    url = f"sqlite:///{tmp_path}/kept.db"
    if database == "postgresql":
        url = lent("kept")
    else:
        migrate(url)
    service = run(DATABASE_URL=url)
    first = service.pay("kept")
    seen = requests.get(f"{service.url}/payments/{first.json()['payment_id']}", timeout=10).content
    service.restart()
    again = service.pay("kept")

    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert requests.get(f"{service.url}/payments/{first.json()['payment_id']}", timeout=10).content == seen
