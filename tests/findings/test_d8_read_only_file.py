"""D8: an SQLite file that could not be written for a while.

Release 1.0.0 answered 503 until it was restarted, because its connections stayed read-only; it was ready all the time.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from payment_service import create_app
from payment_service.config import Settings
from tests.conftest import dependencies_of, migrate
from tests.support.callers import pay_trip
from tests.support.gateways import LedgerGateway
from tests.support.postgres_binaries import Runner


@pytest.fixture
def file() -> Iterator[Path]:
    """Yield a database file of an ordinary user, who this process is meanwhile: no file is read-only to root."""
    before, runner = os.geteuid(), Runner.of_this_process()
    home = Path(tempfile.mkdtemp(dir="/tmp"))
    os.chown(home, runner.uid, runner.gid)
    os.seteuid(runner.uid)
    try:
        migrate(f"sqlite:///{home}/payments.db")
        yield home / "payments.db"
    finally:
        os.seteuid(before)
        shutil.rmtree(home)


def make(file: Path) -> Flask:
    settings = Settings(database_url=f"sqlite:///{file}", log_level="ERROR", db_pool_size=2)
    return create_app(settings, gateway=LedgerGateway())


def ready(app: Flask) -> tuple[int, bool]:
    answer = app.test_client().get("/health/ready")
    return answer.status_code, answer.get_json()["checks"]["database"]


def assert_unavailable(app: Flask) -> None:
    refused = pay_trip(app.test_client(), idempotency_key="while")
    assert (refused.status_code, refused.get_json()["code"]) == (503, "database_unavailable")


def test_d8_file_made_writable_is_written_without_a_restart(file: Path) -> None:
    file.chmod(0o444)
    app = make(file)
    assert ready(app) == (503, False)
    assert_unavailable(app)
    file.chmod(0o644)

    assert ready(app) == (200, True)
    assert pay_trip(app.test_client(), idempotency_key="while").status_code == 200


def test_d8_read_only_connection_is_closed_by_a_charge(file: Path) -> None:
    file.chmod(0o444)
    app = make(file)
    assert app.test_client().get("/payments").status_code == 200
    file.chmod(0o644)
    assert_unavailable(app)

    assert pay_trip(app.test_client(), idempotency_key="while").status_code == 200


def test_d8_read_only_connection_is_closed_by_the_readiness_check(file: Path) -> None:
    app = make(file)
    with dependencies_of(app).database.reading() as connection:
        connection.execute(text("PRAGMA query_only = ON"))

    assert ready(app) == (503, False)
    assert ready(app) == (200, True)
