"""The rights of each role in deploy/postgresql/roles.sql: the service writes the journal, and rewrites no row of it."""

from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg2
import pytest
from flask import Flask
from flask_migrate import upgrade
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class
from sqlalchemy import make_url

from payment_service.models import metadata
from payment_service.repositories.privileges import APPEND_ONLY, REPORTED
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of, migrate
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.postgres import RESTART, Postgres, prepare_roles

DATABASE = "roles"

pytestmark = pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)  # SQLite has no roles


@pytest.fixture
def app(lent: Callable[[str], str], make_app: MakeApp) -> Flask:
    return make_app(database_url=lent(DATABASE))


@pytest.fixture
def as_role(app: Flask, postgres: Postgres) -> Iterator[Callable[[str], Connection]]:
    """Yield a function that opens connections in a role; close them at the end."""
    assert pay_trip(app.test_client()).status_code == 200
    opened: list[Connection] = []

    def connect(role: str) -> Connection:
        address = make_url(postgres.url_as(role, DATABASE)).set(drivername="postgresql")
        connection = psycopg2.connect(address.render_as_string(hide_password=False))
        connection.autocommit = True
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()


def may(connection: Connection, statement: str) -> bool:
    """Return whether the role may run a statement. It runs where it may."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(statement)
        except InsufficientPrivilege:
            return False
    return True


def test_service_charges_and_refunds_under_its_role(app: Flask) -> None:
    client = app.test_client()
    paid = pay_trip(client, idempotency_key="charge")

    assert refund_trip(client, trip_id_of(paid), idempotency_key="refund").status_code == 200
    assert list(verify(dependencies_of(app))) == []


@pytest.mark.parametrize("table", sorted(APPEND_ONLY))
@pytest.mark.parametrize("statement", ["UPDATE {} SET row_hash = NULL", "DELETE FROM {}", "TRUNCATE {}"])
def test_service_cannot_change_rows_that_are_written_once(
    as_role: Callable[[str], Connection], table: str, statement: str
) -> None:
    assert not may(as_role("payments_app"), statement.format(table))
    assert may(as_role("payments_app"), f"SELECT count(*) FROM {table}")  # noqa: S608 - a name of ours


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (a int)",
        "ALTER TABLE payments ADD COLUMN mine int",
        "DROP TABLE timers",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "UPDATE alembic_version SET version_num = '0001'",
        "UPDATE schema_information SET min_code = '0001'",
        RESTART,
        "SET ROLE payments_owner",
    ],
)
@pytest.mark.usefixtures("app")
def test_service_cannot_change_tables(postgres: Postgres, statement: str) -> None:
    address = make_url(postgres.url(DATABASE)).set(drivername="postgresql", username="payments_app", password=None)
    with closing(psycopg2.connect(address.render_as_string())) as connection:
        connection.autocommit = True
        assert not may(connection, statement)


@pytest.mark.parametrize("table", [*sorted(metadata.tables), "alembic_version"])
def test_role_of_reports_reads_money_and_no_key_or_user(as_role: Callable[[str], Connection], table: str) -> None:
    reports = as_role("payments_read")

    assert may(reports, f"SELECT * FROM {table} LIMIT 1") == (table in REPORTED)  # noqa: S608 - a name of ours
    assert not may(reports, f"DELETE FROM {table}")  # noqa: S608


def test_every_migration_run_revokes_extra_grants(postgres: Postgres, as_role: Callable[[str], Connection]) -> None:
    assert may(as_role("payments_owner"), "GRANT ALL ON transactions TO payments_app, payments_read")
    migrate(postgres.url_as("payments_owner", DATABASE))

    assert not may(as_role("payments_app"), "DELETE FROM transactions")
    assert not may(as_role("payments_read"), "DELETE FROM transactions")


def test_role_of_the_service_finds_nothing_to_migrate_and_changes_no_grant(app: Flask) -> None:
    with app.app_context():
        upgrade()

    assert pay_trip(app.test_client(), idempotency_key="later").status_code == 200


@pytest.mark.usefixtures("engine_name")
def test_tables_of_a_superuser_are_given_to_the_owner(postgres: Postgres, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(lambda: postgres.drop_database("handed_over"))
    url = postgres.create_database("handed_over")
    migrate(url)
    prepare_roles(postgres, "handed_over")
    migrate(postgres.url_as("payments_owner", "handed_over"))

    with closing(postgres.connect("handed_over")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
        assert cursor.fetchall() == [("payments_owner",)]
        cursor.execute("SELECT has_table_privilege('payments_app', 'transactions', 'UPDATE')")
        assert cursor.fetchall() == [(False,)]
        cursor.execute("SELECT has_database_privilege('payments_app', current_database(), 'TEMPORARY')")
        assert cursor.fetchall() == [(False,)]
