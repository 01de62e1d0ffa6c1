"""C13: a database that no migration, or not the last one, has seen.

Release 1.0.0 answered a charge with "the database cannot be reached" on SQLite, and with 500 on PostgreSQL.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from tests.conftest import MakeApp, dependencies_of, migrate
from tests.support.callers import pay_bill, pay_trip
from tests.support.postgres import Postgres


@pytest.fixture
def empty_url(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield a database without tables."""
    if engine_name == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server: Postgres = request.getfixturevalue("postgres")
    server.drop_database("unmigrated")
    yield server.create_database("unmigrated")
    server.drop_database("unmigrated")


def assert_not_migrated(app: Flask) -> None:
    for answer in (pay_trip(app.test_client()), pay_bill(app.test_client()), app.test_client().get("/payments")):
        body = answer.get_json()
        assert (answer.status_code, body["code"]) == (503, "database_not_migrated")
        assert "flask --app wsgi db upgrade" in str(body)
    ready = app.test_client().get("/health/ready")
    checks = ready.get_json()["checks"]
    assert (ready.status_code, checks["database"], checks["migrations"]) == (503, True, False)


def test_c13_database_without_tables_answers_503_with_the_command_to_run(make_app: MakeApp, empty_url: str) -> None:
    assert_not_migrated(app := make_app(database_url=empty_url))
    result = app.test_cli_runner().invoke(args=["recover"])

    assert result.exit_code == 3
    assert "database_not_migrated" in result.stderr
    assert "run `flask --app wsgi db upgrade`" in result.stderr


@pytest.mark.parametrize(
    "change",
    ["ALTER TABLE payments RENAME COLUMN amount TO sum", "ALTER TABLE payments RENAME TO old"],
    ids=["column", "table"],
)
def test_c13_missing_table_or_column_answers_503_with_the_command_to_run(
    make_app: MakeApp, empty_url: str, change: str
) -> None:
    """Also where sessions have prepared their statements before, as in a rollout that goes back."""
    migrate(empty_url)
    app = make_app(database_url=empty_url)
    assert pay_trip(app.test_client(), idempotency_key="before").status_code == 200
    with dependencies_of(app).database.atomic("test") as connection:
        connection.execute(text(change))
    answers = [pay_trip(app.test_client()), app.test_client().get("/payments/1")]
    errors = [(answer.status_code, answer.get_json()["code"]) for answer in answers]
    assert errors == [(503, "database_not_migrated")] * 2
