import re
from typing import Any

import pytest

from payment_service.domain.operations import Kind
from payment_service.models import transactions
from payment_service.services.dependencies import Dependencies
from tests.support.bookers import Booker, error_of, payment_of
from tests.support.database import rows
from tests.support.gateways import LedgerGateway

INVALID = "Invalid status. Must be one of: pending, processing, completed, failed, refunded, cancelled"


def test_process_of_a_pending_payment_charges_it(ada: Booker, gateway: LedgerGateway) -> None:
    made = payment_of(ada.create(amount=99.5, currency="EUR", payment_method="paypal"), 201)
    answer = ada.process(made["payment_id"])
    payment = payment_of(answer)
    assert list(answer.get_json()) == ["message", "payment"]
    assert answer.get_json()["message"] == "Payment processed successfully"
    assert re.fullmatch("TXN-[0-9A-F]{12}", payment["transaction_ref"])
    assert payment["status"] == "completed"
    assert payment["updated_at"] > made["updated_at"]
    changed = {"status", "transaction_ref", "updated_at"}
    assert {name: payment[name] for name in payment.keys() - changed} == {
        name: made[name] for name in made.keys() - changed
    }
    assert payment_of(ada.show(made["payment_id"])) == payment
    (sent,) = gateway.sent
    assert (sent.kind, str(sent.amount), sent.currency, sent.method) == (Kind.CHARGE, "99.50", "EUR", "paypal")


def test_two_payments_have_two_transactions(ada: Booker) -> None:
    shown = [payment_of(ada.show(ada.paid())) for _ in range(2)]
    assert len({payment["transaction_ref"] for payment in shown}) == 2


@pytest.mark.parametrize("body", [{"data": "{not json"}, {"json": {"status": "failed"}}, {"data": b"\x00"}])
def test_process_and_refund_ignore_a_body(ada: Booker, body: dict[str, Any]) -> None:
    payment_id = ada.made()
    assert payment_of(ada.process(payment_id, **body))["status"] == "completed"
    assert payment_of(ada.refund(payment_id, **body))["refunded_amount"] == 150.0


def test_process_of_a_payment_that_is_not_pending_answers_400(ada: Booker, gateway: LedgerGateway) -> None:
    payment_id, failed, cancelled = ada.paid(), ada.made(), ada.made()
    again = ada.process(payment_id)
    ada.refund(payment_id)
    ada.patch(failed, status="failed")
    ada.patch(cancelled, status="cancelled")

    assert (error_of(again), again.get_json()["code"]) == ("Payment already completed", "illegal_move")
    assert error_of(ada.process(payment_id)) == "Payment already refunded"
    assert error_of(ada.process(failed)) == "Payment already failed"
    assert error_of(ada.process(cancelled)) == "Payment already cancelled"
    assert gateway.count(Kind.CHARGE) == 1


def test_refund_of_a_completed_payment_returns_the_whole_amount(ada: Booker, gateway: LedgerGateway) -> None:
    payment_id = ada.paid(amount=75)
    answer = ada.refund(payment_id, json={"amount": 5})
    payment = payment_of(answer)
    assert answer.get_json()["message"] == "Payment refunded successfully"
    assert (payment["status"], payment["refunded_amount"], payment["amount"]) == ("refunded", 75.0, 75.0)
    refund = answer.get_json()["refund"]
    assert re.fullmatch("re_[0-9a-f]{16}", refund["refund_id"])
    assert (refund["amount"], refund["status"]) == (75.0, "refunded")
    assert gateway.count(Kind.REFUND) == 1
    assert ada.status(payment_id) == "refunded"


def test_refund_of_a_payment_that_is_not_completed_answers_400(ada: Booker, gateway: LedgerGateway) -> None:
    refunded, pending, failed, cancelled = ada.paid(), ada.made(), ada.made(), ada.made()
    ada.refund(refunded)
    ada.patch(failed, status="failed")
    ada.patch(cancelled, status="cancelled")

    errors = [error_of(ada.refund(payment_id)) for payment_id in (refunded, pending, failed, cancelled)]
    assert errors == ["Only completed payments can be refunded"] * 4
    assert gateway.count(Kind.REFUND) == 1


@pytest.mark.parametrize("status", ["failed", "cancelled", "FAILED"])
def test_pending_payment_can_be_set_to_failed_or_cancelled(ada: Booker, status: str, gateway: LedgerGateway) -> None:
    payment_id = ada.made()
    answer = ada.patch(payment_id, status=status)
    assert payment_of(answer)["status"] == status.lower()
    assert list(answer.get_json()) == ["message", "payment"]
    assert answer.get_json()["message"] == "Payment status updated"
    assert not gateway.sent


def test_cancellation_of_a_failed_or_cancelled_payment_succeeds(ada: Booker) -> None:
    payment_id, statuses = ada.made(), ["failed", "cancelled", "cancelled"]
    assert [payment_of(ada.patch(payment_id, status=status))["status"] for status in statuses] == statuses


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        ("made", "pending"),
        ("made", "processing"),
        ("made", "completed"),
        ("made", "refunded"),
        ("paid", "pending"),
        ("paid", "processing"),
        ("paid", "completed"),
        ("paid", "failed"),
        ("paid", "refunded"),
        ("paid", "cancelled"),
    ],
)
def test_owner_cannot_set_any_other_status(ada: Booker, gateway: LedgerGateway, start: str, wanted: str) -> None:
    payment_id = getattr(ada, start)()
    before, sent = payment_of(ada.show(payment_id)), len(gateway.sent)
    answer = ada.patch(payment_id, status=wanted)
    text = f"Cannot change status from {before['status']} to {wanted}"
    assert error_of(answer).startswith(text)
    assert answer.get_json()["code"] == "illegal_move"
    assert payment_of(ada.show(payment_id)) == before
    assert len(gateway.sent) == sent


@pytest.mark.parametrize(("wanted", "action"), [("completed", "process"), ("refunded", "refund")])
def test_owner_that_sets_completed_or_refunded_gets_a_hint_to_the_right_path(
    ada: Booker, wanted: str, action: str
) -> None:
    payment_id = ada.made()
    text = f"Cannot change status from pending to {wanted}: use POST /api/payments/{payment_id}/{action}"
    assert error_of(ada.patch(payment_id, status=wanted)) == text


def test_service_that_sets_completed_or_refunded_calls_the_gateway(
    ada: Booker, desk: Booker, gateway: LedgerGateway
) -> None:
    payment_id = ada.made()
    completed = desk.patch(payment_id, status="completed", transaction_ref="TXN-FORGED")
    assert completed.get_json()["message"] == "Payment status updated"
    assert payment_of(completed)["status"] == "completed"
    assert re.fullmatch("TXN-[0-9A-F]{12}", payment_of(completed)["transaction_ref"])
    assert error_of(desk.patch(payment_id, status="completed")) == "Payment already completed"
    refunded = desk.patch(payment_id, status="refunded")
    assert (refunded.get_json()["message"], payment_of(refunded)["status"]) == ("Payment status updated", "refunded")
    assert error_of(desk.patch(payment_id, status="refunded")) == "Only completed payments can be refunded"
    assert (gateway.count(Kind.CHARGE), gateway.count(Kind.REFUND)) == (1, 1)


@pytest.mark.parametrize("wanted", ["pending", "processing"])
def test_service_cannot_set_an_internal_status(ada: Booker, desk: Booker, wanted: str) -> None:
    assert error_of(desk.patch(ada.made(), status=wanted)) == f"Cannot change status from pending to {wanted}"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "status is required"),
        ({"status": None}, "status is required"),
        ({"transaction_ref": "TXN-1"}, "status is required"),
        ({"status": ""}, INVALID),
        ({"status": "paid"}, INVALID),
        ({"status": 1}, INVALID),
        ({"status": ["failed"]}, INVALID),
        ({"status": "failed", "transaction_ref": 7}, "transaction_ref must be a text"),
        ({"status": "failed", "transaction_ref": "x" * 65}, "transaction_ref must have 1 to 64 characters"),
    ],
)
def test_change_to_an_unknown_status_or_with_an_invalid_reference_is_refused(
    ada: Booker, body: dict[str, Any], text: str
) -> None:
    payment_id = ada.made()
    assert error_of(ada.patch(payment_id, **body)) == text
    assert ada.status(payment_id) == "pending"


def test_change_of_status_without_a_body_is_refused(ada: Booker) -> None:
    assert error_of(ada("PATCH", f"/{ada.made()}/status")) == "Request body is required"


def test_reference_of_a_caller_is_stored_and_not_shown_as_a_transaction(ada: Booker, deps: Dependencies) -> None:
    payment_id = ada.made()
    payment = payment_of(ada.patch(payment_id, status="failed", transaction_ref="TXN-THEIRS"))
    assert payment["transaction_ref"] is None
    assert rows(deps, transactions)[-1]["caller_note"] == "TXN-THEIRS"
