"""D2: a PostgreSQL that takes no writes, after a fail-over or with a full disk.

Release 1.0.0 answered 500 with tracebacks, was ready all the while, and kept its bad connections for half an hour after
the repair. `recover` and `purge` ended with 1, as if something were wrong with the money.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import requests
from flask import Flask
from sqlalchemy import make_url, text

from payment_service import create_app
from payment_service.config import Settings
from tests.conftest import dependencies_of, fresh_database, here
from tests.crash.load import Load
from tests.crash.oracle import Oracle
from tests.crash.tables import Ledger, Tables
from tests.support.callers import pay_trip
from tests.support.gateways import LedgerGateway
from tests.support.ports import free_port
from tests.support.postgres import ThrowawayPostgres
from tests.support.processes import Service, environment, flask
from tests.support.simulator import running_simulator
from tests.support.waiting import wait_until

DATABASE = "reading"
SHORT = {
    "DOTENV_READ": "1",
    "GATEWAY_CONNECT_TIMEOUT": "0.3",
    "GATEWAY_READ_TIMEOUT": "0.5",
    "GUNICORN_TIMEOUT": "3",
    "NGINX_TIMEOUT": "4",
    "LEASE_SECONDS": "5",
    "RECOVER_INTERVAL": "0.5",
}
"""Each time limit longer than the one that it contains, and none long."""

NOTHING_WRITTEN = {"database": False, "migrations": True, "rabbitmq": True, "kafka": True}


@pytest.fixture(scope="module")
def server() -> Iterator[ThrowawayPostgres]:
    """Start a server of our own, which tests can switch to read-only."""
    with closing(ThrowawayPostgres()) as server:
        yield server


@pytest.fixture
def url(server: ThrowawayPostgres) -> Iterator[str]:
    yield fresh_database(server, DATABASE)
    tell(server, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")


@pytest.fixture
def app(url: str) -> Iterator[Flask]:
    """Yield a service in this process that keeps one connection."""
    app = create_app(Settings(database_url=url, log_level="ERROR", db_pool_size=1), gateway=LedgerGateway())
    yield app
    dependencies_of(app).database.engine.dispose()


def tell(server: ThrowawayPostgres, *statements: str, database: str = "postgres") -> None:
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def stop_writes(server: ThrowawayPostgres) -> None:
    tell(server, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")


def take_writes(server: ThrowawayPostgres) -> None:
    off = "SET default_transaction_read_only = off"
    tell(server, off, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")


def checks(app: Flask) -> tuple[int, dict[str, bool]]:
    answer = app.test_client().get("/health/ready")
    return answer.status_code, answer.get_json()["checks"]


def assert_unavailable(app: Flask, key: str) -> None:
    refused = pay_trip(app.test_client(), idempotency_key=key)
    assert (refused.status_code, refused.get_json()["code"]) == (503, "database_unavailable")
    assert refused.get_json()["retry"] == {"safe": True, "key": "same", "after": 1}


def test_d2_read_only_database_answers_503_and_is_not_ready_until_it_accepts_writes(
    app: Flask, server: ThrowawayPostgres
) -> None:
    """500 and ready."""
    assert pay_trip(app.test_client(), idempotency_key="before").status_code == 200
    stop_writes(server)
    wait_until(lambda: checks(app)[0] == 503)
    assert checks(app) == (503, NOTHING_WRITTEN)
    assert_unavailable(app, "while")
    assert app.test_client().get("/payments/1").status_code == 200, "what is only read needs no writes"
    take_writes(server)
    wait_until(lambda: checks(app)[0] == 200, patience=5)
    assert pay_trip(app.test_client(), idempotency_key="while").status_code == 200


@pytest.mark.parametrize("ask", [checks, lambda app: assert_unavailable(app, "stale")], ids=["readiness", "a charge"])
def test_d2_read_only_connection_is_closed_after_one_answer(
    app: Flask, server: ThrowawayPostgres, ask: Callable[[Flask], object]
) -> None:
    """They stayed in the pool, and answered every request with 500, until they were recycled."""
    tell(server, f"ALTER DATABASE {DATABASE} SET default_transaction_read_only = on")
    app.test_client().get("/payments")
    tell(
        server,
        "SET default_transaction_read_only = off",
        f"ALTER DATABASE {DATABASE} RESET default_transaction_read_only",
    )
    ask(app)

    assert checks(app)[0] == 200
    assert pay_trip(app.test_client(), idempotency_key="stale").status_code == 200


def test_d2_pool_is_closed_with_its_first_read_only_connection(url: str) -> None:
    """In the past each other connection had to fail a request of its own."""
    app = create_app(Settings(database_url=url, log_level="ERROR", db_pool_size=4), gateway=LedgerGateway())
    database = dependencies_of(app).database
    with database.reading() as one, database.reading() as two, database.reading() as three:
        for connection in (one, two, three):
            connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
    assert_unavailable(app, "first")

    assert [pay_trip(app.test_client(), idempotency_key=f"key-{number}").status_code for number in range(4)] == [
        200
    ] * 4
    database.engine.dispose()


def test_d2_standby_is_not_ready_until_it_is_promoted(app: Flask, server: ThrowawayPostgres) -> None:
    """A proxy that checks too rarely leads to a standby for a while."""
    pay_trip(app.test_client(), idempotency_key="before")
    server.stop("fast")
    (server.home / "data" / "standby.signal").touch()
    server.start()

    wait_until(lambda: checks(app) == (503, NOTHING_WRITTEN))  # the first look finds the old connection closed
    assert_unavailable(app, "standby")
    tell(server, "SELECT pg_promote()")
    wait_until(lambda: checks(app)[0] == 200, patience=5)
    assert pay_trip(app.test_client(), idempotency_key="standby").status_code == 200


def test_d2_role_without_privileges_answers_503_and_is_not_ready(
    app: Flask, server: ThrowawayPostgres, url: str
) -> None:
    tell(server, "DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN")
    tell(server, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", database=DATABASE)
    address = make_url(url).set(username="reader").difference_update_query(["options"])
    settings = Settings(database_url=address.render_as_string(hide_password=False), log_level="ERROR")
    reader = create_app(settings, gateway=LedgerGateway())

    assert checks(reader) == (503, NOTHING_WRITTEN)
    assert_unavailable(reader, "without")
    assert checks(app)[0] == 200
    dependencies_of(reader).database.engine.dispose()


@pytest.mark.parametrize("words", ["recover", "purge"])
def test_d2_command_on_a_read_only_database_exits_3(server: ThrowawayPostgres, url: str, words: str) -> None:
    """They ended with 1 and a traceback, or with 0 where they had found nothing to do."""
    stop_writes(server)
    command = [sys.executable, "-m", "flask", "--app", "wsgi", words]
    own = environment(DATABASE_URL=url, DOTENV_READ="1")
    result = subprocess.run(command, check=False, capture_output=True, text=True, cwd=here("."), env=own, timeout=60)

    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.splitlines()[-1] == "Error: database_unavailable: try again later"
    assert "Traceback" not in result.stderr


def test_d2_load_on_a_database_without_writes_gets_503_and_recovers_at_once(
    server: ThrowawayPostgres, url: str, tmp_path: Path
) -> None:
    """Under load, with a worker beside it: no 500, no traceback, back within 5 s of the repair, and no money lost."""
    with running_simulator(tmp_path) as bank, closing(Ledger(str(bank.ledger_path))) as ledger:
        port = free_port()
        settings = {**SHORT, "DATABASE_URL": url, "GATEWAY_URL": bank.url, "BIND": f"127.0.0.1:{port}"}
        worker = Service(sys.executable, "-m", "flask", "--app", "wsgi", "worker", settings=settings)
        with closing(Service.gunicorn(settings)) as web, closing(worker):
            wait_until(lambda: ready(port) == 200, web.last_words)
            load = Load("reading", port, clients=6)

            intents = load.during(partial(stop_writes_for_a_while, server, load, port, web))
            assert "Traceback" not in web.log() + worker.log()
            assert worker.process.poll() is None
        flask("recover", settings=settings)
        with closing(Tables(url)) as tables:
            assert not Oracle(tables, ledger, intents).judge()
        assert "no violations" in flask("verify", settings=settings)

    assert all(intent.finals for intent in intents)
    assert {heard.status for intent in intents for heard in intent.heard} <= {200, 409, 503}
    assert load.refused, "nobody noticed that nothing was written"


def stop_writes_for_a_while(server: ThrowawayPostgres, load: Load, port: int, web: Service) -> None:
    wait_until(lambda: load.paid > 20)
    stop_writes(server)
    wait_until(lambda: ready(port) == 503, web.last_words)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        assert ready(port) == 503
        time.sleep(0.5)
    take_writes(server)
    back = load.paid
    wait_until(lambda: load.paid > back + 20 and ready(port) == 200, web.last_words, patience=5)


def ready(port: int) -> int:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).status_code
    except requests.ConnectionError:
        return 0
