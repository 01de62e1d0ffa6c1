"""A PostgreSQL that is frozen, not dead: it acknowledges everything and answers nothing. No wait for it lasts."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import requests
from flask import Flask
from sqlalchemy import text

from payment_service import create_app
from payment_service.config import Settings
from payment_service.delivery.notifications import ASK_AFTER, NotificationListener
from payment_service.watchdog import LONGEST_WAIT
from tests.conftest import dependencies_of, fresh_database
from tests.support.callers import pay_trip
from tests.support.gateways import LedgerGateway
from tests.support.ports import free_port
from tests.support.postgres import ThrowawayPostgres
from tests.support.processes import Service, flask
from tests.support.waiting import wait_until

CLIENTS = 24
"""More than there are connections and threads: the pools are full when the server freezes."""

PROBES = {"/health": 200, "/health/live": 200, "/v1/health/live": 200, "/health/ready": 503}
"""The probes and their answers while the database is frozen."""

OWN = {"DOTENV_READ": "1"}
"""No file's settings."""


@pytest.fixture
def server() -> Iterator[ThrowawayPostgres]:
    with closing(ThrowawayPostgres()) as server:
        yield server


@pytest.fixture
def url(server: ThrowawayPostgres) -> str:
    return fresh_database(server, "frozen")


@pytest.fixture
def base(url: str) -> Iterator[str]:
    """Yield a web service whose threads and connections are all at work with `CLIENTS`.

    One process: another one without a request in progress would notice the frozen server only with its next one.
    """
    port = free_port()
    own = {"DATABASE_URL": url, "BIND": f"127.0.0.1:{port}", "WEB_CONCURRENCY": "1", "LOG_LEVEL": "ERROR", **OWN}
    own |= {"WEB_THREADS": "20", "DB_POOL_SIZE": "20"}
    with closing(Service.gunicorn(own)) as web:
        base = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answer("GET", f"{base}/health/ready")[0] == 200, web.last_words)
        yield base


def _answer(method: str, url: str, **request: object) -> tuple[int, float]:
    """Return status, 0 where there is none, and seconds."""
    began = time.monotonic()
    try:
        status = requests.request(method, url, timeout=30, **request).status_code  # type: ignore[arg-type]
    except requests.RequestException:
        status = 0
    return status, time.monotonic() - began


def _looks(base: str, seconds: float) -> Iterator[dict[str, tuple[int, float]]]:
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        yield _look(base)


def _look(base: str) -> dict[str, tuple[int, float]]:
    time.sleep(0.5)
    return {path: _answer("GET", f"{base}{path}") for path in PROBES}


def _charge(base: str, key: str) -> tuple[int, float]:
    body = {"idempotency_key": key, "trip_id": 7, "method": "CARD", "amount": 20.0}
    return _answer("POST", f"{base}/payments", json=body)


def test_request_to_a_frozen_database_answers_503_in_time_and_health_answers_200(
    server: ThrowawayPostgres, url: str, base: str
) -> None:
    with ThreadPoolExecutor(CLIENTS + 4) as pool:
        full = list(pool.map(lambda number: _charge(base, f"before-{number}")[0], range(3 * CLIENTS)))
        assert full == [200] * 3 * CLIENTS
        with server.frozen():
            in_flight = [pool.submit(_charge, base, f"in-flight-{number}") for number in range(CLIENTS)]
            looks = list(_looks(base, LONGEST_WAIT + 0.5))
            charges = [pool.submit(_charge, base, f"new-{number}") for number in range(4)]
            health = _look(base)
            told = [charge.result() for charge in charges]
        began = time.monotonic()
        wait_until(lambda: _charge(base, "after")[0] == 200, patience=10)
        back = time.monotonic() - began
        first = [charge.result() for charge in in_flight]
    again = [_charge(base, f"in-flight-{number}")[0] for number in range(CLIENTS)]

    assert [status for status, _ in told] == [503] * len(told)
    assert max(seconds for _, seconds in told) < 4, told
    assert {path: status for path, (status, _) in health.items()} == PROBES
    assert max(seconds for look in (*looks, health) for _, seconds in look.values()) < 2, looks
    assert {look["/health/live"][0] for look in looks} == {200}
    assert {status for status, _ in first} <= {200, 503}
    assert back < 5
    assert again == [200] * CLIENTS
    assert flask("verify", settings={"DATABASE_URL": url, **OWN}) == "no violations\n"


def test_service_behind_a_silent_standby_is_not_ready(server: ThrowawayPostgres, url: str) -> None:
    """The server reads and says that it takes writes, and the next charge would wait like the last one."""
    app = create_app(Settings(database_url=url, log_level="ERROR"), gateway=LedgerGateway())
    set_standby(server, "'silent'")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: pay_trip(app.test_client(), idempotency_key="waits").status_code)
        wait_until(lambda: readiness_of(app) == 503, patience=4)
        set_standby(server, "''")
        assert waiting.result() == 200
    assert readiness_of(app) == 200
    dependencies_of(app).database.engine.dispose()


def test_silent_standby_is_not_ready_for_any_process_until_it_answers(
    server: ThrowawayPostgres, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has given its COMMIT up, or that has sent none, would wait with the next charge as well."""
    monkeypatch.setattr("payment_service.connection.LONGEST_COMMIT", 1.5)
    apps = [create_app(Settings(database_url=url, log_level="ERROR"), gateway=LedgerGateway()) for _ in range(2)]
    set_standby(server, "'silent'")
    given_up = pay_trip(apps[0].test_client(), idempotency_key="given up").status_code
    while_silent = [readiness_of(app) for app in apps]
    set_standby(server, "''")
    wait_until(lambda: [readiness_of(app) for app in apps] == [200, 200], patience=4)
    for app in apps:
        dependencies_of(app).database.engine.dispose()

    assert (given_up, while_silent) == (503, [503, 503])


def set_standby(server: ThrowawayPostgres, names: str) -> None:
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = local")
        cursor.execute(f"ALTER SYSTEM SET synchronous_standby_names = {names}")
        cursor.execute("SELECT pg_reload_conf()")


def readiness_of(app: Flask) -> int:
    return app.test_client().get("/health/ready").status_code


def test_long_read_is_not_cut(url: str) -> None:
    deps = dependencies_of(create_app(Settings(database_url=url)))
    ends = time.monotonic() + LONGEST_WAIT + 1
    with deps.database.reading() as connection:
        while time.monotonic() < ends:  # each answer comes in time
            connection.execute(text("SELECT pg_sleep(0.5)"))


def test_listener_of_a_frozen_server_reconnects(server: ThrowawayPostgres, url: str) -> None:
    stop = threading.Event()
    database = dependencies_of(create_app(Settings(database_url=url))).database
    listener = NotificationListener(database, stop)
    thread = threading.Thread(target=listener.run)
    thread.start()
    try:
        wait_until(lambda: listener.is_listening)
        with server.frozen():
            wait_until(lambda: not listener.is_listening, patience=ASK_AFTER + 5)
        wait_until(lambda: listener.is_listening, patience=10)
    finally:
        stop.set()
        thread.join()
