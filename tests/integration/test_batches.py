"""A batch is never larger than its limit, under any plan of the statement that takes it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from payment_service import clock
from payment_service.connection import Connection
from payment_service.models import idempotency_keys
from payment_service.repositories import outbox, recovery, retention
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import pay_trip

ROW_BY_ROW = tuple(f"enable_{way}" for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material", "indexonlyscan"))
"""Without these methods PostgreSQL joins by nested loops, as it may while its statistics are those of an empty table:
it then runs a subquery again for each row.
"""

TAKE: dict[str, Callable[[Connection], int]] = {
    "purge": lambda connection: len(retention.ended_keys(connection, 0, clock.now(), 3)),
    "recovery": lambda connection: len(recovery.candidates(connection, 3)),
    "claim of deliveries": lambda connection: len(outbox.claim(connection, "rabbitmq", "owner", 60.0, 3)),
}


@pytest.fixture
def full(make_app: MakeApp) -> Dependencies:
    """Fill the database with more than one batch of every kind of row."""
    app = make_app(rabbitmq_enabled=True)
    deps, past = dependencies_of(app), clock.now() - timedelta(seconds=1)
    for number in range(5):
        pay_trip(app.test_client(), idempotency_key=f"paid-{number}")
    with deps.database.atomic("test") as connection:
        connection.execute(
            update(idempotency_keys).values(
                expires_at=past, leased_until=past, response_status=None, response_data=None
            )
        )
    return deps


@pytest.mark.parametrize("take", list(TAKE.values()), ids=list(TAKE))
def test_batch_is_no_larger_than_requested(full: Dependencies, take: Callable[[Connection], int]) -> None:
    with full.database.atomic("test") as connection:
        if connection.database == "postgresql":
            for way in ROW_BY_ROW:
                connection.execute(text(f"SET LOCAL {way} = off"))
        assert take(connection) == 3
