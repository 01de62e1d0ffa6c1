"""The databases, apps and callers of all tests. Every test that takes `app` runs on PostgreSQL and on SQLite."""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from sqlalchemy import text

from payment_service import clock, create_app
from payment_service.config import Settings
from payment_service.config_fields import CHANNELS
from payment_service.db import Database, db, metadata
from payment_service.logs import flush_logs
from payment_service.logs.writer import QueuedLines
from payment_service.models import schema_information
from payment_service.services.dependencies import Dependencies
from tests.support.citus import with_workers
from tests.support.gateways import LedgerGateway
from tests.support.judged import JudgedClient
from tests.support.memory import directory
from tests.support.postgres import AS_OWNER, RESTART, Postgres, prepare_roles, start_postgres
from tests.support.quick_routes import remember_rules

MakeApp = Callable[..., Flask]
Later = Callable[[float], None]
Lines = Callable[[], list[dict[str, object]]]

remember_rules()

SLOW = {"crash", "e2e", "faults", "model", "neighbours", "torture"}
"""Folders with files that keep a worker busy for long, mostly with waiting for processes."""


def pytest_configure() -> None:
    """Let pytest make its temporary directories in memory, if there is room."""
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", directory())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the slow files over the first half of the others.

    The workers take file by file: thus they do not all wait at the same time, and none ends with a slow file alone.
    """
    files = dict.fromkeys(item.path for item in items)
    slow = [path for path in files if path.parent.name in SLOW]
    quick = [path for path in files if path.parent.name not in SLOW]
    place = {path: number / len(slow) for number, path in enumerate(slow)}
    place |= {path: 2 * number / len(quick) for number, path in enumerate(quick)}
    items.sort(key=lambda item: (place[item.path], item.path))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Start a real PostgreSQL server for the run of the tests."""
    server = with_workers(start_postgres())
    yield server
    server.close()


@pytest.fixture(scope="session", params=["postgresql", "sqlite"])
def engine_name(request: pytest.FixtureRequest) -> str:
    """Return the kind of database of a test: both, one after the other."""
    return str(request.param)


@pytest.fixture(scope="session")
def migrated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Make a migrated database of each kind at its first use and keep it: files come and go between the two."""

    @cache
    def make(engine_name: str) -> str:
        if engine_name == "postgresql":
            return fresh_database(request.getfixturevalue("postgres"), "payments")
        url = f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/payments.db"
        migrate(url)
        return url

    return make


@pytest.fixture(scope="session")
def database_url(engine_name: str, migrated: Callable[[str], str]) -> str:
    """Return a migrated database."""
    return migrated(engine_name)


def migrate(url: str) -> None:
    """Bring an empty database to the newest schema."""
    app = create_app(Settings(database_url=url, log_level="ERROR"))
    with app.app_context():
        upgrade()
        db.engine.dispose()


def fresh_database(server: Postgres, name: str) -> str:
    """Make an empty, migrated database of this name, for the role of the service."""
    server.drop_database(name)
    server.create_database(name, template=template(server))
    return server.url_as("payments_app", name)


@cache
def template(server: Postgres) -> str:
    """Make a migrated database to copy: migrations run once on each server."""
    name = "payments_template"
    server.drop_database(name)
    server.create_database(name)
    prepare_roles(server, name)
    migrate(server.url_as("payments_owner", name))
    server.spread(name)
    return name


@pytest.fixture
def lent(postgres: Postgres) -> Iterator[Callable[[str], str]]:
    """Make empty databases by name on the server of all tests, and drop them at the end."""
    with ExitStack() as stack:

        def lend(name: str) -> str:
            stack.callback(postgres.drop_database, name)
            return fresh_database(postgres, name)

        yield lend


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Return settings of a service under test: the defaults, short waits, no chance, every channel on the brokers."""
    return Settings(
        database_url=database_url,
        log_level="ERROR",
        jwt_secret_key="a-test-secret-of-32-bytes-or-more!!",
        keyless_answer_seconds=0.0,
        checkout_success_rate=1.0,
        rabbitmq_channels=frozenset(CHANNELS),
        kafka_channels=frozenset(CHANNELS),
    )


@pytest.fixture
def gateway() -> LedgerGateway:
    """Return a gateway with a ledger that the test can read."""
    return LedgerGateway()


@pytest.fixture
def make_app(settings: Settings, gateway: LedgerGateway) -> Iterator[MakeApp]:
    """Build apps on the clean database with other settings: `make_app(trip_service_url=...)`."""
    made: list[Dependencies] = []
    ready: list[Flask] = []
    ours = gateway

    def make(*, gateway: Any = gateway, **changes: Any) -> Flask:
        if ready and gateway is ours and not changes:
            return ready.pop()
        extra = {name: changes.pop(name) for name in ("channels",) if name in changes}
        app = create_app(replace(settings, **changes), gateway=gateway, **extra)
        app.test_client_class = JudgedClient
        made.append(dependencies_of(app))
        if hasattr(gateway, "in_transaction"):
            gateway.in_transaction = lambda: dependencies_of(app).database.in_transaction
        return app

    ready.append(make())
    empty(made[0].database)
    yield make
    for deps in made:
        deps.deferred._work.clear()  # its thread would run on in the next test
        deps.database.engine.dispose()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """Return the service on a clean database."""
    return make_app()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Let seconds pass."""
    passed = [0.0]
    monkeypatch.setattr(clock, "monotonic", lambda: time.monotonic() + passed[0])

    def let_pass(seconds: float) -> None:
        passed[0] += seconds

    return let_pass


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return a caller of the service."""
    return app.test_client()


@pytest.fixture
def deps(app: Flask) -> Dependencies:
    """Return the engine behind the service."""
    return dependencies_of(app)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Return the log lines since the last call: each must be a JSON object, and standard output must stay empty."""

    def read() -> list[dict[str, object]]:
        flush_logs()
        for handler in (each for each in logging.getLogger().handlers if isinstance(each, QueuedLines)):
            handler.write_to(sys.stderr)  # pytest's is another one where the app was made by a fixture
        out, err = capsys.readouterr()
        assert out == ""
        return [json.loads(line) for line in err.splitlines()]

    return read


def dependencies_of(app: Flask) -> Dependencies:
    """Return the engine behind an app."""
    found = app.extensions["payment_service"]
    assert isinstance(found, Dependencies)
    return found


def empty(database: Database) -> None:
    """Delete every row; this is faster than a rollback, and each test really commits."""
    deletions = [str(each.delete()) for each in reversed(metadata.sorted_tables) if each is not schema_information]
    with database.atomic("test") as connection:
        if connection.database == "postgresql":  # an aggregation takes so many numbers, whether rows have them or not
            deletions = [";".join((AS_OWNER, *deletions, RESTART))]  # one round trip
        else:
            deletions.append("DELETE FROM sqlite_sequence")
        for deletion in deletions:
            connection.execute(text(deletion))


def here(path: str) -> Path:
    """Return a file of the repository."""
    return Path(__file__).resolve().parent.parent / path
