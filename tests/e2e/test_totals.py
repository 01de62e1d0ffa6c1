"""The metrics are those of all workers together, also of a killed one, and of the worker process beside them."""

import json
import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from decimal import Decimal
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
import requests
from sqlalchemy import create_engine, text

from payment_service import create_app
from payment_service.channels.trips.response_schemas import STATUS_NAMES
from payment_service.config import Settings
from payment_service.db import db
from payment_service.domain.lifecycle import Status
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.processes import Service, flask
from tests.support.scraped import Scraped
from tests.support.served import served
from tests.support.waiting import wait_until

DATABASE = "payments_totals"
SHORT_TIMES = {"GATEWAY_READ_TIMEOUT": "0.2", "GATEWAY_CONNECT_TIMEOUT": "0.1", "GUNICORN_TIMEOUT": "3"}
SHORT_TIMES |= {"NGINX_TIMEOUT": "4", "LEASE_SECONDS": "5"}
"""Short times, so that the claims of a killed process soon end."""

CLIENTS = 8
ROUNDS = {"postgresql": 125, "sqlite": 20}
"""Rounds of each client, each of ten requests: on PostgreSQL ten thousand, and the refunds."""


class Web:
    """gunicorn with three workers, on a database of its own."""

    def __init__(self, home: Path, database_url: str) -> None:
        port = free_port()
        self.address = ("127.0.0.1", port)
        self.url, self.database_url, self.directory = f"http://127.0.0.1:{port}", database_url, home / "metrics"
        settings = {"SERVICE_PORT": str(port), "DATABASE_URL": database_url, "TMPDIR": str(home)}
        settings |= {"WEB_CONCURRENCY": "3", "LOG_LEVEL": "ERROR", "GATEWAY_SUCCESS_RATE": "0.9"} | SHORT_TIMES
        self.service = Service.gunicorn(settings | {"PROMETHEUS_MULTIPROC_DIR": str(self.directory)})
        wait_until(self.is_ready, self.service.last_words)

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/health/ready", timeout=10).status_code == 200
        except requests.ConnectionError:
            return False

    def scrape(self) -> Scraped:
        return Scraped(requests.get(f"{self.url}/metrics", timeout=10).text)

    def workers(self) -> list[int]:
        """Return the processes of its workers."""
        children = Path(f"/proc/{self.service.process.pid}/task/{self.service.process.pid}/children").read_text()
        return [int(child) for child in children.split()]

    def counting(self) -> set[str]:
        """Return the processes with files of metrics."""
        return {path.stem.rpartition("_")[2] for path in self.directory.glob("*.db")}

    def kill_one(self) -> None:
        os.kill(self.workers()[0], signal.SIGKILL)


class Customers:
    """Clients that pay, repeat, err, look and ask for refunds; they note each answer, and return after a failure."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.rounds = ROUNDS[web.database_url.partition(":")[0].partition("+")[0]]
        self.answers: Counter[tuple[str, str, int]] = Counter()
        self.unanswered = 0
        self._count = threading.Lock()

    def run(self) -> None:
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(self._shop, range(CLIENTS)))

    def _shop(self, client: int) -> None:
        with closing(HTTPConnection(*self.web.address, timeout=30)) as connection:
            for number in range(self.rounds):
                self._round(connection, f"{client}-{number}", refunds=number % 7 == 0)
                if (client, number) == (0, self.rounds // 2):
                    self.web.kill_one()

    def _round(self, connection: HTTPConnection, key: str, *, refunds: bool) -> None:
        body = {"idempotency_key": key, "trip_id": 7, "method": "CARD", "amount": "0.10"}
        paid, *repeated = (self._send(connection, "POST", "/payments", body) for _ in range(4))
        assert repeated == [paid] * 3
        found = json.loads(paid)
        for _ in range(3):
            self._send(connection, "POST", "/payments", body | {"amount": "-1"}, wanted=400)
            self._send(connection, "GET", f"/payments/{found['payment_id']}")
        if refunds and found["status"] == "SUCCESS":
            path = f"/payments/{found['payment_id']}/refunds"
            self._send(connection, "POST", path, {"idempotency_key": f"r-{key}"})

    def _send(
        self, connection: HTTPConnection, method: str, path: str, body: object = None, wanted: int = 200
    ) -> bytes:
        rule = re.sub(r"/\d+", "/<payment_id>", path)
        while True:
            try:
                connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                said = answer.read()
            except (HTTPException, OSError):
                connection.close()  # and is opened again by the next request
                with self._count:
                    self.unanswered += 1
                continue
            with self._count:
                self.answers[rule, method, answer.status] += 1
            if answer.status == wanted:
                return said


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def database_url(
    request: pytest.FixtureRequest, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('totals')}/payments.db"
    else:
        url = postgres.create_database(DATABASE)
    flask("db", "upgrade", settings={"DATABASE_URL": url})
    yield url
    postgres.drop_database(DATABASE)


def counted(database_url: str) -> dict[str, float]:
    """Return the same metrics, found by counting all rows."""
    statement = """
        SELECT count(*), sum(CASE WHEN status = 'FAILED' THEN 1 ELSE 0 END), sum(captured_amount), sum(refunded_amount),
            (SELECT count(*) FROM payment_refunds WHERE status = 'REFUNDED')
        FROM payments
    """
    names = ("payments_created_total", "payments_failed_total", "total_amount_processed", "total_refunds")
    engine = create_engine(database_url)
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute(str(text(statement)))
        row = list(cursor.fetchone() or ())
        cursor.execute("SELECT status, count(*) FROM payments GROUP BY status")
        by_status: Counter[str] = Counter()
        for status, count in cursor.fetchall():
            by_status[f"payments_by_status {STATUS_NAMES[Status(status)]}"] += count
    engine.dispose()
    if database_url.startswith("sqlite"):  # which stores thousandths
        row[2:4] = [Decimal(each) / 1000 for each in row[2:4]]
    return dict(zip((*names, "refunds_processed_total"), map(float, row), strict=True)) | by_status


def test_requests_over_three_workers_with_one_killed_are_counted_exactly(database_url: str, tmp_path: Path) -> None:
    web = Web(tmp_path, database_url)
    with closing(web.service):
        customers = Customers(web)
        customers.run()
        told = web.scrape()
        figures = counted(database_url)
        assert customers.answers.total() >= CLIENTS * customers.rounds * 10
        assert figures["payments_created_total"] == CLIENTS * customers.rounds
        assert {name: _of(told, name) for name in figures} == figures

        sent = {
            (rule, method, status): told(
                "http_request_duration_seconds_count", route=rule, method=method, status=str(status)
            )
            for rule, method, status in customers.answers
        }
        missing = {each: sent[each] - received for each, received in customers.answers.items()}
        assert {each: number for each, number in missing.items() if not 0 <= number <= customers.unanswered} == {}
        assert customers.unanswered <= 8 + CLIENTS
        charges = told("gateway_call_duration_seconds_count", kind="charge")
        assert figures["payments_created_total"] - 8 <= charges <= figures["payments_created_total"] + 8
        assert web.counting() <= {"gone", *map(str, web.workers())}
        flask("recover", settings={"DATABASE_URL": database_url})
        assert {name: _of(web.scrape(), name) for name in figures} == counted(database_url)


def _of(told: Scraped, name: str) -> float:
    name, _, status = name.partition(" ")
    return round(told(name, **({"status": status} if status else {})), 6)


def test_restarted_service_has_the_same_business_figures(database_url: str, tmp_path: Path) -> None:
    before = counted(database_url)
    web = Web(tmp_path, database_url)
    with closing(web.service):
        told = web.scrape()

    assert before["payments_created_total"] > 0
    assert {name: _of(told, name) for name in before} == before
    assert told("http_request_duration_seconds_count", route="/payments") == 0


def test_metrics_include_the_worker_beside_the_service() -> None:
    with served(GATEWAY_LATENCY_MS="1", NOTIFICATION_SERVICE_URL="http://127.0.0.1:9") as service:
        body = {"idempotency_key": "one", "trip_id": 7, "method": "CARD", "amount": 1}
        requests.post(f"{service.url}/payments", json=body, timeout=10)

        def tried() -> bool:
            told = Scraped(requests.get(f"{service.url}/metrics", timeout=10).text)
            return told("deliveries_total", sink="trip_notification", outcome="down") > 0

        wait_until(tried)


def test_separate_worker_serves_its_own_metrics(tmp_path: Path) -> None:
    port = free_port()
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path}/p.db", "NOTIFICATION_SERVICE_URL": "http://127.0.0.1:9"}
    flask("db", "upgrade", settings=settings)
    command = (sys.executable, "-m", "flask", "--app", "wsgi", "worker", "--metrics", f"127.0.0.1:{port}")
    with closing(Service(*command, settings=settings)) as worker:
        app = create_app(
            Settings(database_url=settings["DATABASE_URL"], trip_notification_service_url="http://127.0.0.1:9")
        )
        body = {"idempotency_key": "one", "trip_id": 7, "method": "CARD", "amount": 1}
        assert app.test_client().post("/payments", json=body).status_code == 200

        def tried() -> bool:
            assert worker.process.poll() is None, worker.last_words()
            with suppress(requests.ConnectionError):
                told = Scraped(requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text)
                return told("deliveries_total", sink="trip_notification", outcome="down") > 0
            return False

        wait_until(tried)
        assert worker.stop() == 0
    with app.app_context():
        db.engine.dispose()


def test_invalid_metrics_address_is_refused(tmp_path: Path) -> None:
    for wrong in ("9108", "host:", "host:99999", "host:port"):
        with pytest.raises(AssertionError, match="is not host:port"):
            flask("worker", "--metrics", wrong, settings={"DATABASE_URL": f"sqlite:///{tmp_path}/p.db"})
