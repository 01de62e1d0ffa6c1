"""`flask verify`: reservations fit their payments, keys are bound to what they made, tallies are the journal's sums."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Table, delete, update

from payment_service.domain.lifecycle import Status
from payment_service.models import idempotency_keys, payments, reservations, tallies
from payment_service.services import figures
from payment_service.services.runtime import Runtime
from payment_service.services.verification import verify
from tests.support import orders
from tests.support.callers import pay_trip, trip_id_of


def alter(runtime: Runtime, table: Table, **values: object) -> None:
    """Write into every row of a table what the service would never write."""
    with runtime.database.atomic("test") as connection:
        connection.execute(update(table).values(values))


def found(runtime: Runtime) -> list[tuple[str, str]]:
    """Invariant and row of every violation."""
    return [(violation.invariant, violation.row) for violation in verify(runtime)]


RESERVATIONS: dict[str, Callable[[Runtime], None]] = {
    "a transaction given back": lambda runtime: forget(runtime, "transaction"),
    "another transaction": lambda runtime: alter(runtime, payments, transaction_id="TXN0"),
    "a reference of another": lambda runtime: alter(runtime, payments, reference="another"),
    "a payable of another": lambda runtime: alter(runtime, payments, payable_id="another"),
    "a payable kept by a failed payment": lambda runtime: alter(runtime, payments, status=Status.FAILED),
}


def forget(runtime: Runtime, kind: str) -> None:
    with runtime.database.atomic("test") as connection:
        connection.execute(delete(reservations).where(reservations.c.kind == kind))


@pytest.mark.parametrize("spoil", RESERVATIONS.values(), ids=RESERVATIONS)
def test_reservation_that_does_not_fit_its_payment_is_told(
    client: FlaskClient, runtime: Runtime, spoil: Callable[[Runtime], None]
) -> None:
    orders.paid(orders.charge_order(client))
    pay_trip(client)
    assert found(runtime) == []
    spoil(runtime)
    assert "R1" in dict(found(runtime))


def test_payment_whose_key_is_bound_to_nothing_is_told(client: FlaskClient, runtime: Runtime) -> None:
    number = trip_id_of(pay_trip(client))
    alter(runtime, idempotency_keys, key_hash="0" * 64)
    assert found(runtime) == [("K1", f"payment {number}")]


def test_tally_that_is_not_the_sum_of_the_journal_is_told(client: FlaskClient, runtime: Runtime) -> None:
    pay_trip(client)
    figures.fold(runtime)
    assert found(runtime) == []
    alter(runtime, tallies, times=tallies.c.times + 1)
    assert {invariant for invariant, _ in found(runtime)} == {"T1"}
