"""Payments at Mollie, from the caller's request to the gateway's last word: the customer always acts."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.models import payment_refunds, payments, transactions
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from tests.conftest import MakeApp
from tests.support.at_mollie import begun, paid, refund, service_at
from tests.support.database import recover_all, rows
from tests.support.mollie_bank import MollieBank, mollie_bank
from tests.support.orders import cancel_order, charge_order
from tests.support.orders import paid as accepted
from tests.support.paying_by_token import BACK, hold, key_row, pay, status


@pytest.fixture
def bank() -> Iterator[MollieBank]:
    with mollie_bank() as bank:
        yield bank


@pytest.fixture
def app(make_app: MakeApp, bank: MollieBank) -> Iterator[Flask]:
    with service_at(bank, make_app) as app:
        yield app


def test_customer_pays_on_mollies_page_and_the_trip_is_a_success(
    client: FlaskClient, deps: Dependencies, bank: MollieBank
) -> None:
    body, reference = begun(client, bank)
    assert body["status"] == "PENDING"
    assert body["next_action"]["type"] == "redirect"
    assert body["next_action"]["url"] == f"https://mollie.example/checkout/{reference}"
    assert status(deps) == "REQUIRES_ACTION"
    asked = bank.payments[reference]
    assert asked["amount"] == {"currency": "INR", "value": "150.00"}
    assert asked["metadata"]["gateway_key"] == key_row(deps)["gateway_key"]

    bank.act(reference)
    recover_all(deps)
    done = pay(client, card=None, return_url=BACK)
    assert (done.status_code, done.json["status"]) == (200, "SUCCESS")
    assert "next_action" not in done.json
    assert len(bank.payments) == 1
    assert list(verify(deps)) == []


@pytest.mark.parametrize("outcome", ["expired", "failed", "canceled"])
def test_customer_who_does_not_pay_fails_the_trip(
    client: FlaskClient, deps: Dependencies, bank: MollieBank, outcome: str
) -> None:
    _, reference = begun(client, bank)
    bank.act(reference, outcome)
    recover_all(deps)
    assert pay(client, card=None, return_url=BACK).json["status"] == "FAILED"
    assert list(verify(deps)) == []


def test_request_without_a_return_url_is_refused_and_the_key_stays_free(
    client: FlaskClient, deps: Dependencies, bank: MollieBank
) -> None:
    refused = pay(client, card=None)
    assert (refused.status_code, refused.json["code"]) == (400, "return_url_required")
    assert (bank.log, rows(deps, transactions)) == ([], [])
    assert begun(client, bank)[0]["status"] == "PENDING"


@pytest.mark.parametrize("fault", ["drop_after", "tell_after"])
def test_registration_whose_answer_was_lost_leaves_one_payment_that_can_be_paid(
    client: FlaskClient, deps: Dependencies, bank: MollieBank, fault: str
) -> None:
    """The other payment moves no money: no caller knows its checkout address."""
    bank.arm(fault, "POST /v2/payments")
    lost = pay(client, card=None, return_url=BACK)
    assert lost.status_code == 202
    assert "next_action" not in lost.json
    recover_all(deps)
    orphan, known = bank.payments
    told = pay(client, card=None, return_url=BACK)
    assert told.json["next_action"]["url"].endswith(known)
    bank.act(known)
    recover_all(deps)
    assert pay(client, card=None, return_url=BACK).json["status"] == "SUCCESS"
    bank.act(orphan, "expired")
    recover_all(deps)
    assert (status(deps), bank.payments[orphan]["status"]) == ("CAPTURED", "expired")
    assert list(verify(deps)) == []


@pytest.mark.parametrize("is_cancelable", [True, False])
def test_order_that_is_deleted_is_cancelled_at_mollie_or_expires_there(
    client: FlaskClient, deps: Dependencies, bank: MollieBank, is_cancelable: bool
) -> None:
    bank.is_cancelable = is_cancelable
    charged = charge_order(client, return_url=BACK)
    (reference,) = bank.payments
    assert cancel_order(client, accepted(charged, 202)["payment_id"]).status_code == 202
    recover_all(deps)
    if not is_cancelable:
        assert (status(deps), bank.payments[reference]["status"]) == ("REQUIRES_ACTION", "open")
        bank.act(reference, "expired")
        recover_all(deps)
    assert status(deps) == "CANCELLED"
    assert bank.payments[reference]["status"] == ("canceled" if is_cancelable else "expired")
    assert list(verify(deps)) == []


def test_order_that_is_paid_before_its_cancel_arrives_stays_paid(
    client: FlaskClient, deps: Dependencies, bank: MollieBank
) -> None:
    charged = charge_order(client, return_url=BACK)
    (reference,) = bank.payments
    bank.act(reference)
    cancel_order(client, accepted(charged, 202)["payment_id"])
    recover_all(deps)
    assert (status(deps), bank.payments[reference]["status"]) == ("CAPTURED", "paid")


def test_hold_is_authorized_by_its_customer(client: FlaskClient, deps: Dependencies, bank: MollieBank) -> None:
    held = hold(client, "h1", "tok_that_mollie_needs_not", return_url=BACK)
    assert held.status_code == 202, held.text
    (reference,) = bank.payments
    bank.act(reference)
    recover_all(deps)
    assert status(deps) == "AUTHORIZED"
    assert list(verify(deps)) == []


def test_rest_of_a_partly_captured_hold_stays_held(client: FlaskClient, deps: Dependencies, bank: MollieBank) -> None:
    """A release while the capture is pending might take that back as well: docs/reference/mollie.md."""
    hold(client, "h1", "tok_that_mollie_needs_not", return_url=BACK)
    (reference,) = bank.payments
    bank.act(reference)
    recover_all(deps)
    transaction = rows(deps, payments)[0]["transaction_id"]
    body = {"transaction_id": transaction, "amount": 60}
    assert client.post("/api/v1/payments/capture", json=body).status_code == 202
    bank.settle()
    recover_all(deps)
    assert (status(deps), rows(deps, payments)[0]["captured_amount"]) == ("CAPTURED", 60)
    assert [each for each in bank.log if "release" in each or each.startswith("DELETE")] == []
    assert list(verify(deps)) == []


def test_refund_succeeds_when_mollie_confirms_it(client: FlaskClient, deps: Dependencies, bank: MollieBank) -> None:
    number = paid(client, deps, bank)
    assert refund(client, number).status_code == 202
    recover_all(deps)
    assert [each["status"] for each in rows(deps, payment_refunds)] == ["PENDING"]
    bank.settle()
    recover_all(deps)
    assert [each["status"] for each in rows(deps, payment_refunds)] == ["REFUNDED"]
    assert status(deps) == "PARTIALLY_REFUNDED"
    assert len(bank.parts["refunds"]) == 1
    assert list(verify(deps)) == []


def test_refund_that_fails_days_later_releases_its_amount(
    client: FlaskClient, deps: Dependencies, bank: MollieBank
) -> None:
    number = paid(client, deps, bank)
    assert refund(client, number, 150.0).status_code == 202
    bank.fail_refund()
    recover_all(deps)
    assert [each["status"] for each in rows(deps, payment_refunds)] == ["FAILED"]
    assert status(deps) == "CAPTURED"
    again = client.post(f"/payments/{number}/refunds", json={"idempotency_key": "r2", "amount": 150.0})
    assert again.status_code == 202
    assert list(verify(deps)) == []


def test_refund_with_a_lost_answer_is_not_repeated_after_mollie_forgot_its_key(
    client: FlaskClient, deps: Dependencies, bank: MollieBank
) -> None:
    number = paid(client, deps, bank)
    (reference,) = bank.payments
    bank.arm("tell_after", f"POST /v2/payments/{reference}/refunds")
    assert refund(client, number).status_code == 202
    assert len(bank.parts["refunds"]) == 1
    bank.hours = 2
    recover_all(deps)
    bank.settle()
    recover_all(deps)
    assert len(bank.parts["refunds"]) == 1
    assert [each["status"] for each in rows(deps, payment_refunds)] == ["REFUNDED"]
