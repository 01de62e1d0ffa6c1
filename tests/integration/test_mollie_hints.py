"""Mollie's unsigned hints: one that fits a payment of ours wakes a look-up, and decides nothing."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from payment_service import clock
from payment_service.models import gateway_notices, idempotency_keys, payment_refunds, timers
from payment_service.services.dependencies import Dependencies
from payment_service.services.notices import handle_due
from payment_service.services.recovery import recover
from payment_service.services.verification import verify
from tests.conftest import MakeApp
from tests.support.at_mollie import HOOK, begun, paid, refund, service_at
from tests.support.database import recover_all, rows
from tests.support.mollie_bank import MollieBank, mollie_bank
from tests.support.paying_by_token import status
from tests.support.waiting import wait_until


@pytest.fixture
def bank() -> Iterator[MollieBank]:
    with mollie_bank() as bank:
        yield bank


@pytest.fixture
def app(make_app: MakeApp, bank: MollieBank) -> Iterator[Flask]:
    with service_at(bank, make_app) as app:
        yield app


def put_off(deps: Dependencies) -> None:
    """Put every look-up off until tomorrow, unless a notice comes."""
    with deps.database.atomic("test") as connection:
        connection.execute(update(timers).values(due_at=clock.now() + timedelta(days=1)))


def lease_until(deps: Dependencies, until: datetime) -> None:
    """Give every key an owner until then."""
    with deps.database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).values(leased_until=until))


def is_finished_by_a_notice(deps: Dependencies) -> bool:
    """Run the worker until the notice is handled: clocks of a millisecond take a moment to see a new timer."""
    handle_due(deps)
    return dict(recover(deps)) == {"finished": 1}


def due(deps: Dependencies) -> bool:
    """Return whether a notice waits for the worker."""
    return any(each["due_at"] for each in rows(deps, gateway_notices))


def hint(client: FlaskClient, bank: MollieBank, reference: str, **changes: str) -> int:
    """Send Mollie's own call to the address registered with a payment; return the status that it gets."""
    address = bank.payments[reference]["webhookUrl"].removeprefix("http://127.0.0.1")
    body = {"id": changes.get("id", reference)}
    return client.post(changes.get("address", address), data=body).status_code


def test_hint_makes_the_look_up_due_and_decides_nothing(
    client: FlaskClient, deps: Dependencies, bank: MollieBank
) -> None:
    _, reference = begun(client, bank)
    put_off(deps)
    assert hint(client, bank, reference) == 200
    wait_until(lambda: bool(handle_due(deps)) or dict(recover(deps)) == {"undecided": 1}, patience=10)
    assert status(deps) == "REQUIRES_ACTION", "the customer has not paid: a hint is no evidence"
    put_off(deps)
    bank.act(reference)
    assert dict(recover(deps)) == {}
    bank.log.clear()
    assert hint(client, bank, reference) == 200
    assert bank.log == [], "the gateway is not called in the request"
    wait_until(lambda: is_finished_by_a_notice(deps), patience=10)
    assert status(deps) == "CAPTURED"


def test_hint_during_a_look_up_is_not_lost(client: FlaskClient, deps: Dependencies, bank: MollieBank) -> None:
    """That look-up may have come too early; and the service has stored a hint of the same ten seconds already."""
    _, reference = begun(client, bank)
    wait_until(lambda: hint(client, bank, reference) == 200 and not due(deps), patience=10)
    put_off(deps)
    lease_until(deps, clock.now() + timedelta(minutes=1))
    bank.act(reference)
    assert hint(client, bank, reference) == 200
    assert dict(recover(deps)) == {}
    assert due(deps)
    lease_until(deps, clock.now() - timedelta(minutes=1))
    wait_until(lambda: is_finished_by_a_notice(deps), patience=10)


def test_hint_about_a_finished_charge_wakes_its_refund(
    client: FlaskClient, deps: Dependencies, bank: MollieBank
) -> None:
    """Mollie sends notices of refunds to the address of their payment."""
    refund(client, paid(client, deps, bank))
    put_off(deps)
    bank.settle()
    (reference,) = bank.payments
    bank.log.clear()
    assert hint(client, bank, reference) == 200
    assert bank.log == []
    wait_until(lambda: dict(recover(deps)) == {"finished": 1}, patience=10)
    wait_until(lambda: dict(handle_due(deps)) == {"revised": 1}, patience=10)
    assert [each["due_at"] for each in rows(deps, gateway_notices)] == [None]


def test_hint_about_a_refund_that_failed_later_reverses_the_refund(
    client: FlaskClient, deps: Dependencies, bank: MollieBank
) -> None:
    """The hint names the payment, and its charge is unchanged: the service looks its refunds up as well."""
    number = paid(client, deps, bank)
    refund(client, number)
    bank.settle()
    recover_all(deps)
    assert [row["status"] for row in rows(deps, payment_refunds)] == ["REFUNDED"]
    (reference,) = bank.payments
    bank.fail_refund()
    assert hint(client, bank, reference) == 200
    wait_until(lambda: dict(handle_due(deps)) == {"revised": 1}, patience=10)
    assert [row["status"] for row in rows(deps, payment_refunds)] == ["FAILED"]
    assert status(deps) == "CAPTURED"
    assert list(verify(deps)) == []


def test_hint_about_an_unknown_payment_stores_nothing(
    client: FlaskClient, deps: Dependencies, bank: MollieBank
) -> None:
    _, reference = begun(client, bank)
    put_off(deps)
    bank.act(reference)
    guessed = f"{HOOK}?key=v1-{'0' * 48}"
    assert hint(client, bank, reference, id="tr_of_another") == 200, "whether an id is known is told to nobody"
    assert hint(client, bank, reference, address=guessed) == 200
    assert hint(client, bank, reference, address=HOOK) == 400
    assert hint(client, bank, reference, id="") == 400
    assert rows(deps, gateway_notices) == []
    assert dict(recover(deps)) == {}


def test_many_hints_about_one_payment_are_one_row(client: FlaskClient, deps: Dependencies, bank: MollieBank) -> None:
    _, reference = begun(client, bank)
    began = clock.monotonic()
    assert [hint(client, bank, reference) for _ in range(20)] == [200] * 20
    most = 2 + int(clock.monotonic() - began) // 10
    assert 1 <= len(rows(deps, gateway_notices)) <= most
