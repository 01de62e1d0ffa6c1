"""Folding the journal: a row whose transaction commits late is counted all the same, and none twice."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from payment_service.connection import Connection
from payment_service.models import transactions
from payment_service.repositories import tallies
from payment_service.services import figures
from payment_service.services.runtime import Runtime
from tests.support.callers import pay_trip
from tests.support.database import count
from tests.support.postgres import plainly

ANOTHER_ROW = """
    INSERT INTO transactions (payment_id, transaction_type, move, from_status, status, amount, captured_amount,
        refunded_amount, description, actor, created_at)
    SELECT payment_id, transaction_type, 'failed_attempt', status, status, amount, captured_amount,
        refunded_amount, description, actor, created_at
    FROM transactions LIMIT 1
"""


def counted(runtime: Runtime) -> int:
    """How many changes the figures know of."""
    with runtime.database.reading() as connection:
        found, _ = tallies.read(connection)
    return sum(tally.times for tally in found)


def behind(runtime: Runtime) -> int:
    """How many changes are not folded yet."""
    with runtime.database.reading() as connection:
        return tallies.read(connection)[1]


def fold_all(runtime: Runtime) -> None:
    while figures.fold(runtime):
        pass


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)  # on SQLite numbers are commit order
def test_fold_waits_for_a_transaction_that_was_open_at_the_first_look(
    client: FlaskClient, runtime: Runtime, database_url: str
) -> None:
    pay_trip(client, idempotency_key="before")
    fold_all(runtime)
    with closing(plainly(database_url)) as late:
        late.cursor().execute(ANOTHER_ROW)
        pay_trip(client, idempotency_key="meanwhile")
        assert [figures.fold(runtime) for _ in range(3)] == [0, 0, 0]
        assert (counted(runtime), behind(runtime)) == (4, 2)
        late.commit()
    assert (counted(runtime), behind(runtime)) == (5, 3)
    fold_all(runtime)

    assert (counted(runtime), behind(runtime)) == (count(runtime, transactions), 0)


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
def test_a_transaction_that_began_after_the_first_look_is_left_for_the_next(
    client: FlaskClient, runtime: Runtime, database_url: str
) -> None:
    pay_trip(client)
    with runtime.database.atomic("fold") as connection:
        tallies.begin(connection)
        tallies.first_look(connection)
    with closing(plainly(database_url)) as late:
        late.cursor().execute(ANOTHER_ROW)
        assert figures.fold(runtime)
        assert (counted(runtime), behind(runtime)) == (2, 0)
        late.commit()
    fold_all(runtime)

    assert (counted(runtime), behind(runtime)) == (3, 0)


def test_a_fold_counts_nothing_twice(client: FlaskClient, runtime: Runtime) -> None:
    for number in range(3):
        pay_trip(client, idempotency_key=f"trip-{number}")
        fold_all(runtime)
        assert (counted(runtime), behind(runtime)) == (count(runtime, transactions), 0)


@pytest.fixture
def as_plain_role(runtime: Runtime) -> Iterator[Connection]:
    """A connection of a role that may not see other roles' sessions."""
    with runtime.database.atomic("test") as connection:
        connection.execute(text("CREATE ROLE plain; GRANT SELECT ON transactions TO plain; SET LOCAL ROLE plain"))
        yield connection
        connection.execute(text("RESET ROLE; DROP OWNED BY plain; DROP ROLE plain"))


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
def test_no_look_is_certain_where_another_role_may_write(as_plain_role: Connection) -> None:
    assert not tallies.has_hidden_writers(as_plain_role)
    as_plain_role.execute(text("RESET ROLE; CREATE ROLE writer LOGIN; GRANT INSERT ON transactions TO writer"))
    as_plain_role.execute(text("SET LOCAL ROLE plain"))

    assert tallies.has_hidden_writers(as_plain_role)
    as_plain_role.execute(text("RESET ROLE; DROP OWNED BY writer; DROP ROLE writer"))
