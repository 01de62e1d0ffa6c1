"""The statements that share one round trip to PostgreSQL, and the state that a connection leaves in the pool."""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from flask import Flask
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import text

from payment_service import create_app
from payment_service.config import Settings
from payment_service.connection import Connection, TransactionLost, UniqueViolation
from payment_service.db import Database
from payment_service.models import reservations, timers
from tests.conftest import dependencies_of
from tests.crash.proxy import CommitProxy, commit_proxy
from tests.support.gateways import LedgerGateway
from tests.support.postgres import plainly


class Interrupted(Exception):
    """Ends a transaction from within."""


@pytest.fixture
def proxy(lent: Callable[[str], str]) -> Iterator[CommitProxy]:
    with commit_proxy(lent("connection")) as proxy:
        yield proxy


@pytest.fixture
def on_the_wire(proxy: CommitProxy) -> Iterator[Database]:
    """Yield a database with one connection that has prepared the statements below; the proxy counts its messages."""
    settings = Settings(database_url=proxy.url_through, log_level="ERROR", db_pool_size=1)
    app = create_app(settings, gateway=LedgerGateway())
    database = dependencies_of(app).database
    with database.atomic("warm") as connection:
        read(connection)
        take(connection, "warm")
        time(connection, 0)
    proxy.queries.clear()
    yield database
    database.engine.dispose()


def read(connection: Connection) -> Any:
    return connection.rows("find_reservation", {"channel": "trips", "kind": "payable", "value": "7"})


def take(connection: Connection, value: str) -> None:
    connection.write("insert_reservation", {"channel": "trips", "kind": "payable", "value": value, "payment_id": 1})


def time(connection: Connection, key_id: int) -> None:
    connection.write("set_timer", {"kind": "recover", "what": key_id, "attempts": 1, "delay": 5.0})


def words(proxy: CommitProxy) -> list[list[str]]:
    """Return the first two words of each statement, for each message."""
    return [[" ".join(each.split()[:2]) for each in query.split("; ")] for query in proxy.queries]


READ, TAKE, TIME = "EXECUTE find_reservation", "EXECUTE insert_reservation", "EXECUTE set_timer"


def test_begin_is_sent_with_the_first_statement_and_writes_with_commit(
    on_the_wire: Database, proxy: CommitProxy
) -> None:
    with on_the_wire.atomic("test") as connection:
        read(connection)
        take(connection, "a")
        time(connection, 1)
    assert words(proxy) == [["BEGIN", READ], [TAKE, TIME, "COMMIT"]]


def test_writes_are_sent_in_order_before_the_next_read(on_the_wire: Database, proxy: CommitProxy) -> None:
    with on_the_wire.atomic("test") as connection:
        time(connection, 1)
        take(connection, "7")
        assert read(connection) == [(1,)]
        time(connection, 2)
    assert words(proxy) == [["BEGIN", TIME, TAKE, READ], [TIME, "COMMIT"]]


def test_writes_are_sent_before_a_statement_of_sqlalchemy_core(on_the_wire: Database, proxy: CommitProxy) -> None:
    with on_the_wire.atomic("test") as connection:
        take(connection, "7")
        found = connection.execute(reservations.select().where(reservations.c.value == "7")).all()
    assert len(found) == 1
    assert words(proxy)[0] == ["BEGIN", TAKE]
    assert words(proxy)[-1] == ["COMMIT"]


def test_transaction_of_writes_only_is_one_message(on_the_wire: Database, proxy: CommitProxy) -> None:
    with on_the_wire.atomic("test") as connection:
        take(connection, "7")
    assert words(proxy) == [["BEGIN", TAKE, "COMMIT"]]


@pytest.mark.parametrize("kind", ["atomic", "snapshot", "reading"])
def test_untouched_transaction_sends_nothing(on_the_wire: Database, proxy: CommitProxy, kind: str) -> None:
    begin = getattr(on_the_wire, kind)
    with begin("test") if kind == "atomic" else begin():
        pass
    assert proxy.queries == []


def test_interrupted_transaction_sends_no_queued_write(on_the_wire: Database, proxy: CommitProxy) -> None:
    with suppress(Interrupted), on_the_wire.atomic("test") as connection:
        read(connection)
        take(connection, "7")
        raise Interrupted
    assert words(proxy) == [["BEGIN", READ], ["ROLLBACK"]]


def test_statement_in_a_foreign_session_is_sent_as_text(proxy: CommitProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "_has_own_session", lambda _: False)
    settings = Settings(database_url=proxy.url_through, log_level="ERROR")
    database = dependencies_of(create_app(settings, gateway=LedgerGateway())).database
    with database.atomic("test") as connection:
        take(connection, "7")
        assert read(connection) == [(1,)]
    assert not any(word in query for query in proxy.queries for word in ("PREPARE", "EXECUTE"))
    database.engine.dispose()


# The tests below run on both databases ------------------------------------------------------------------------------


@pytest.fixture
def database(app: Flask) -> Database:
    return dependencies_of(app).database


def assert_nothing_is_left(database: Database) -> None:
    """Check that no row of the transaction is left, and no transaction open on any connection of the pool."""
    with database.engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        if database.engine.dialect.name == "postgresql":
            assert driver.get_transaction_status() == TRANSACTION_STATUS_IDLE
        else:
            assert not driver.in_transaction
    with database.reading() as reader:
        assert reader.execute(timers.select()).all() == []


def test_write_that_fails_rolls_everything_back(database: Database) -> None:
    with database.atomic("test") as connection:
        take(connection, "taken")
    with pytest.raises(UniqueViolation), database.atomic("test") as connection:
        time(connection, 1)
        take(connection, "taken")
        time(connection, 2)
    assert_nothing_is_left(database)


def test_write_that_breaks_a_constraint_raises_and_rolls_everything_back(database: Database) -> None:
    wrong = {"channel": "trips", "kind": "reference", "value": "7", "payment_id": None}
    with pytest.raises(Exception, match=r"(?i)not.null"), database.atomic("test") as connection:
        time(connection, 1)
        connection.write("insert_reservation", wrong)
    assert_nothing_is_left(database)


def test_exception_in_a_transaction_rolls_it_back(database: Database) -> None:
    for _ in range(2):  # the first use of a connection, and the second
        with suppress(Interrupted), database.atomic("test") as connection:
            time(connection, 1)
            read(connection)
            raise Interrupted
    assert_nothing_is_left(database)


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)  # SQLite undoes the one statement only
def test_commit_of_an_aborted_transaction_raises(database: Database) -> None:
    with pytest.raises(TransactionLost), database.atomic("test") as connection:
        time(connection, 1)
        with suppress(Exception):
            connection.execute(text("SELECT no_such_column FROM timers"))
    assert_nothing_is_left(database)


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "go_on",
    [read, lambda connection: connection.execute(timers.select()), lambda _: None],
    ids=["text", "core", "commit"],
)
def test_lost_connection_does_not_return_to_the_pool(
    database: Database, database_url: str, go_on: Callable[[Connection], Any]
) -> None:
    with pytest.raises(TransactionLost), database.atomic("test") as connection:
        (server,) = connection.execute(text("SELECT pg_backend_pid()")).one()
        time(connection, 1)
        with closing(plainly(database_url)) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (server,))
        go_on(connection)
    assert_nothing_is_left(database)
