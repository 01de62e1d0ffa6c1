"""The statements of a charge as SQL text: each one runs as it stands in its file, by an index, and is needed."""

import re
from collections.abc import Iterator

import pytest

from payment_service.connection import Connection
from payment_service.db import Database
from payment_service.statements import statements
from tests.conftest import here

DATABASES = ("postgresql", "sqlite")
NAMES = {database: sorted(statements(database)) for database in DATABASES}


@pytest.fixture
def session(database: Database) -> Iterator[Connection]:
    """Yield a connection with a planner that prefers an index in every query."""
    with database.atomic("test") as connection:
        if connection.database == "postgresql":
            driver = connection.core.connection.cursor()
            driver.execute("SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan")
        yield connection


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
@pytest.mark.parametrize("name", NAMES["postgresql"])
def test_statement_is_prepared_and_explained_and_scans_no_table(session: Connection, name: str) -> None:
    statement, cursor = statements("postgresql")[name], session.core.connection.cursor()
    cursor.execute(f"PREPARE explained AS {statement.numbered}")
    absent = ", ".join("NULL" for _ in statement.names)
    cursor.execute(f"EXPLAIN EXECUTE explained ({absent})" if absent else "EXPLAIN EXECUTE explained")
    plan = "\n".join(line for (line,) in cursor.fetchall())
    cursor.execute("DEALLOCATE explained")

    assert "Seq Scan" not in plan, plan


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", NAMES["sqlite"])
def test_statement_is_explained_on_sqlite_and_scans_no_table(session: Connection, name: str) -> None:
    statement, cursor = statements("sqlite")[name], session.core.connection.cursor()
    cursor.execute(f"EXPLAIN QUERY PLAN {statement.text}", dict.fromkeys(statement.names))
    steps = [row[3] for row in cursor.fetchall()]

    assert not [step for step in steps if re.match(r"SCAN (?!CONSTANT ROW|sqlite_sequence)", step)], steps


def test_every_statement_is_used() -> None:
    sources = "".join(path.read_text() for path in here("payment_service").rglob("*.py"))
    assert [name for name in NAMES["sqlite"] if f'"{name}"' not in sources] == []


@pytest.mark.parametrize("file", ["common", *DATABASES])
def test_every_statement_has_a_comment(file: str) -> None:
    text = here(f"payment_service/repositories/sql/{file}.sql").read_text()
    assert re.findall(r"-- name: \w+\n(?!-- )", text) == []
