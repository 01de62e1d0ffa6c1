"""Aggregating the journal counts a row once, also when its transaction commits late."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

from payment_service import clock, create_app
from payment_service.config import Settings
from payment_service.connection import Connection
from payment_service.models import transactions
from payment_service.repositories import tallies
from payment_service.services import business_metrics
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from tests.conftest import dependencies_of, fresh_database
from tests.support.callers import pay_trip
from tests.support.database import count
from tests.support.gateways import LedgerGateway
from tests.support.postgres import ThrowawayPostgres, plainly

ANOTHER_ROW = """
    INSERT INTO transactions (payment_id, transaction_type, move, from_status, status, amount, captured_amount,
        refunded_amount, description, actor, created_at)
    SELECT payment_id, transaction_type, 'failed_attempt', status, status, amount, captured_amount,
        refunded_amount, description, actor, created_at
    FROM transactions LIMIT 1
"""


def counted(deps: Dependencies) -> int:
    """Return how many changes the tallies contain."""
    with deps.database.reading() as connection:
        found, _ = tallies.read(connection)
    return sum(tally.times for tally in found)


def behind(deps: Dependencies) -> int:
    """Return how many changes are not aggregated yet."""
    with deps.database.reading() as connection:
        return tallies.read(connection)[1]


def fold_all(deps: Dependencies) -> None:
    while business_metrics.aggregate(deps):
        pass


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)  # on SQLite numbers are commit order
def test_aggregation_waits_for_a_transaction_that_was_open_at_the_first_look(
    client: FlaskClient, deps: Dependencies, database_url: str
) -> None:
    pay_trip(client, idempotency_key="before")
    fold_all(deps)
    with closing(plainly(database_url)) as late:
        late.cursor().execute(ANOTHER_ROW)
        pay_trip(client, idempotency_key="meanwhile")
        assert [business_metrics.aggregate(deps) for _ in range(3)] == [0, 0, 0]
        assert (counted(deps), behind(deps)) == (4, 2)
        late.commit()
    assert (counted(deps), behind(deps)) == (5, 3)
    fold_all(deps)

    assert (counted(deps), behind(deps)) == (count(deps, transactions), 0)


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
def test_transaction_that_began_after_the_first_look_is_left_for_the_next_aggregation(
    client: FlaskClient, deps: Dependencies, database_url: str
) -> None:
    pay_trip(client)
    with deps.database.atomic("fold") as connection:
        tallies.begin(connection)
        tallies.first_look(connection)
    with closing(plainly(database_url)) as late:
        late.cursor().execute(ANOTHER_ROW)
        assert business_metrics.aggregate(deps)
        assert (counted(deps), behind(deps)) == (2, 0)
        late.commit()
    fold_all(deps)

    assert (counted(deps), behind(deps)) == (3, 0)


def test_aggregation_counts_each_change_once(client: FlaskClient, deps: Dependencies) -> None:
    figures, made = [], []
    for number in range(3):
        pay_trip(client, idempotency_key=f"trip-{number}")
        fold_all(deps)
        figures.append((counted(deps), behind(deps)))
        made.append(count(deps, transactions))
    assert figures == [(number, 0) for number in made]


SECONDS, WRITERS = 4.0, 8


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
def test_read_beside_writers_and_an_aggregation_is_exact(
    client: FlaskClient, deps: Dependencies, database_url: str
) -> None:
    pay_trip(client)
    until = clock.monotonic() + SECONDS
    folded: list[int] = []

    def write(number: int) -> None:
        chance = random.Random(number)
        with closing(plainly(database_url)) as connection, connection.cursor() as cursor:
            while clock.monotonic() < until:
                cursor.execute(ANOTHER_ROW)
                clock.sleep(chance.random() / 50)
                if chance.random() < 0.2:
                    connection.rollback()
                else:
                    connection.commit()

    def fold(_number: int) -> None:
        while clock.monotonic() < until:
            folded.append(business_metrics.aggregate(deps))

    with ThreadPoolExecutor(WRITERS + 1) as threads:
        working = [threads.submit(work, number) for number, work in enumerate([write] * WRITERS + [fold])]
        readings = 0
        while clock.monotonic() < until:
            assert_exact(deps)
            readings += 1
        for each in working:
            each.result()
    fold_all(deps)

    assert_exact(deps)
    assert behind(deps) == 0
    assert min(readings, sum(number > 0 for number in folded)) > 10
    assert not [violation for violation in verify(deps) if violation.invariant == "T1"]


def assert_exact(deps: Dependencies) -> None:
    """Check that the tallies and the rows behind them add up to the journal of the same moment."""
    with deps.database.snapshot() as connection:
        found, _ = tallies.read(connection)
        there = connection.execute(select(func.count()).select_from(transactions)).scalar_one()
    assert sum(tally.times for tally in found) == there


@pytest.fixture
def preparing() -> Iterator[ThrowawayPostgres]:
    """Yield a server of our own, which lets transactions be prepared."""
    with closing(ThrowawayPostgres()) as server:
        with closing(server.connect()) as connection:
            connection.cursor().execute("ALTER SYSTEM SET max_prepared_transactions = 2")
        server.stop()
        server.start()
        yield server


def test_aggregation_waits_for_a_prepared_transaction(preparing: ThrowawayPostgres) -> None:
    url = fresh_database(preparing, "preparing")
    app = create_app(Settings(database_url=url, log_level="ERROR"), gateway=LedgerGateway())
    deps = dependencies_of(app)
    pay_trip(app.test_client())
    with closing(plainly(url)) as late, late.cursor() as cursor:
        cursor.execute(ANOTHER_ROW)
        cursor.execute("PREPARE TRANSACTION 'late'")
        assert [business_metrics.aggregate(deps) for _ in range(3)] == [0, 0, 0]
        late.rollback()
        late.autocommit = True
        cursor.execute("COMMIT PREPARED 'late'")
    fold_all(deps)

    assert (counted(deps), behind(deps)) == (3, 0)
    deps.database.engine.dispose()


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)  # SQLite has one writer
def test_aggregation_beside_another_one_leaves_the_work_to_it(client: FlaskClient, deps: Dependencies) -> None:
    pay_trip(client, idempotency_key="first")
    fold_all(deps)
    pay_trip(client)
    with deps.database.atomic("fold") as another:
        tallies.begin(another)
        began = clock.monotonic()
        assert business_metrics.aggregate(deps) == 0
        assert clock.monotonic() - began < 0.5
    assert business_metrics.aggregate(deps) > 0


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "setting",
    ["LOCAL ROLE NONE; SET LOCAL track_activities = off", "TRANSACTION ISOLATION LEVEL REPEATABLE READ"],
    ids=["blind", "strict"],
)
def test_look_is_uncertain_without_activities_or_at_a_stricter_level(deps: Dependencies, setting: str) -> None:
    with deps.database.atomic("test") as connection:
        assert not tallies.has_hidden_writers(connection)
    with deps.database.atomic("test") as connection:
        connection.execute(text(f"SET {setting}"))
        assert tallies.has_hidden_writers(connection)


OURS = "ALTER ROLE payments_app {0}; ALTER ROLE payments_owner {0}"
"""The roles of the service count as other writers, unless none can log in as them."""


@pytest.fixture
def as_plain_role(deps: Dependencies) -> Iterator[Connection]:
    """Yield a connection of a role that may not see other roles' sessions."""
    with deps.database.atomic("test") as connection:
        connection.execute(text(f"SET LOCAL ROLE NONE; {OURS.format('NOLOGIN')}"))
        connection.execute(text("CREATE ROLE plain; GRANT SELECT ON transactions TO plain; SET LOCAL ROLE plain"))
        yield connection
        connection.execute(text("SET LOCAL ROLE NONE; DROP OWNED BY plain; DROP ROLE plain"))
        connection.execute(text(OURS.format("LOGIN")))


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
def test_look_is_uncertain_when_another_role_may_write(as_plain_role: Connection) -> None:
    assert not tallies.has_hidden_writers(as_plain_role)
    as_plain_role.execute(text("SET LOCAL ROLE NONE; CREATE ROLE writer LOGIN; GRANT INSERT ON transactions TO writer"))
    as_plain_role.execute(text("SET LOCAL ROLE plain"))

    assert tallies.has_hidden_writers(as_plain_role)
    as_plain_role.execute(text("SET LOCAL ROLE NONE; DROP OWNED BY writer; DROP ROLE writer"))
