"""No key waits for another: not for one with a locked payment, an unreadable one, or one that hangs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from payment_service import clock
from payment_service.connection import Connection
from payment_service.domain.records import IdempotencyKey, Refund
from payment_service.gateways.base import Unknown
from payment_service.models import idempotency_keys, payments, timers
from payment_service.services import claim
from payment_service.services.claim import find_refund
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from tests.support.callers import pay_trip
from tests.support.database import expire_leases, rows
from tests.support.gateways import LedgerGateway
from tests.support.postgres import plainly

SILENCE = Unknown("silence")


def abandon(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, count: int, name: str = "key"
) -> list[int]:
    """Leave so many charges to the worker, the first of them the longest overdue; their payments."""
    gateway.script.extend([SILENCE] * count)
    numbers = [pay_trip(client, idempotency_key=f"{name}-{n}").get_json()["payment_id"] for n in range(count)]
    expire_leases(deps)
    with deps.database.atomic("test") as connection:
        for age, number in enumerate(reversed(numbers)):
            due = clock.now() - timedelta(hours=1, seconds=age)
            key = select(idempotency_keys.c.key_id).where(idempotency_keys.c.payment_id == number).scalar_subquery()
            connection.execute(update(timers).where(timers.c.what == key).values(due_at=due))
    return numbers


def stands(deps: Dependencies, numbers: list[int]) -> list[str]:
    by_number = {row["payment_id"]: row["status"] for row in rows(deps, payments)}
    return [by_number[number] for number in numbers]


@contextmanager
def locked(url: str, payment_id: int) -> Iterator[None]:
    """Hold a payment's lock, as a session at the database's prompt would."""
    other = plainly(url)
    try:
        other.cursor().execute("SELECT 1 FROM payments WHERE payment_id = %s FOR UPDATE", (payment_id,))
        yield
    finally:
        other.rollback()  # answered once the lock is gone; a server only hears of a close later
        other.close()


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)  # on SQLite there is one lock for everybody
def test_locked_payment_is_skipped(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, database_url: str
) -> None:
    numbers = abandon(client, deps, gateway, 3)
    with locked(database_url, numbers[0]):
        assert dict(recover(deps)) == {"finished": 2}
    assert dict(recover(deps)) == {"finished": 1}
    assert set(stands(deps, numbers)) == {"CAPTURED"}


def test_unreadable_operation_is_postponed(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = abandon(client, deps, gateway, 3)

    def puzzled(connection: Connection, key: IdempotencyKey) -> Refund | None:
        if key.payment_id == numbers[0]:
            raise ValueError("a status of a newer release")
        return find_refund(connection, key)

    with monkeypatch.context() as patch:
        patch.setattr(claim, "find_refund", puzzled)
        assert dict(recover(deps)) == {"failed": 1, "finished": 2}
        assert dict(recover(deps)) == {}, "it is not tried again at once"
    expire_leases(deps)
    assert dict(recover(deps)) == {"finished": 1}
    assert set(stands(deps, numbers)) == {"CAPTURED"}


def test_operation_without_a_look_up_comes_before_one_that_hangs(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    hung = abandon(client, deps, gateway, 3)
    gateway.found.extend([SILENCE] * 3)
    assert dict(recover(deps)) == {"undecided": 3}
    (fresh,) = abandon(client, deps, gateway, 1, name="fresh")
    assert dict(recover(deps, limit=1)) == {"finished": 1}
    assert stands(deps, [fresh]) == ["CAPTURED"]
    assert set(stands(deps, hung)) == {"PROCESSING"}
