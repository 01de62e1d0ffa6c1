from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined, Pending, Unknown
from tests.support.callers import ABSENT, at_once
from tests.support.gateways import LedgerGateway
from tests.support.orders import (
    FIELDS,
    cancel_order,
    change_order,
    charge_order,
    create_order,
    detail,
    faults,
    paid,
    refund_order,
    trail,
)

WORDS = ("PENDING", "PROCESSING", "COMPLETED", "FAILED", "REFUNDED", "CANCELLED")


@pytest.fixture
def pending(client: FlaskClient) -> int:
    """Return the number of a payment that waits."""
    number: int = paid(create_order(client))["payment_id"]
    return number


def read(client: FlaskClient, number: int) -> dict[str, Any]:
    return paid(client.get(f"/v1/payments/{number}"), 200)


def in_status(client: FlaskClient, gateway: LedgerGateway, word: str) -> int:
    """Return the number of a payment in this status."""
    if word == "PROCESSING":
        gateway.script.append(Unknown("time-out"))
        return int(paid(charge_order(client), 202)["payment_id"])
    number = int(paid(create_order(client))["payment_id"])
    steps = {"COMPLETED": ["COMPLETED"], "FAILED": ["FAILED"], "REFUNDED": ["COMPLETED"], "CANCELLED": ["CANCELLED"]}
    for step in steps.get(word, []):
        paid(change_order(client, number, step), 200)
    if word == "REFUNDED":
        paid(refund_order(client, number), 200)
    assert read(client, number)["status"] == word
    return number


def test_change_to_completed_charges_the_payment(client: FlaskClient, pending: int, gateway: LedgerGateway) -> None:
    answer = change_order(client, pending, "COMPLETED")
    body = paid(answer, 200)
    assert list(body) == FIELDS
    assert (body["status"], body["gateway_response"]) == ("COMPLETED", "Payment processed successfully")
    assert body["completed_at"] == body["captured_at"] == body["updated_at"] > body["created_at"]
    assert trail(body) == [("PAYMENT", word, 2499.99) for word in ("PENDING", "PROCESSING", "COMPLETED")]
    assert gateway.count(Kind.CHARGE) == 1
    assert read(client, pending) == body


def test_declined_change_to_completed_fails_the_payment(
    client: FlaskClient, pending: int, gateway: LedgerGateway
) -> None:
    gateway.script.append(Declined("EXPIRED_CARD", "Card has expired"))
    body = paid(change_order(client, pending, "COMPLETED", gateway_response="thanks"), 200)
    assert (body["status"], body["gateway_response"], body["completed_at"]) == ("FAILED", "Card has expired", None)


@pytest.mark.parametrize("word", [Unknown("time-out"), Pending("later")], ids=["unknown", "pending"])
def test_undecided_change_answers_202_and_a_repeat_finishes_it(
    client: FlaskClient, pending: int, gateway: LedgerGateway, word: Unknown | Pending
) -> None:
    gateway.script.append(word)
    answer = change_order(client, pending, "COMPLETED", gateway_response="thanks")
    body = paid(answer, 202)
    assert (body["payment_id"], body["status"]) == (pending, "PENDING")
    assert (body["message"], body["gateway_response"]) == ("Payment accepted for processing", None)
    assert answer.headers["Retry-After"] == "2"
    assert read(client, pending)["status"] == "PROCESSING"
    assert paid(change_order(client, pending, "COMPLETED"), 200)["status"] == "COMPLETED"
    assert gateway.count(Kind.CHARGE) == 1


def test_changes_to_completed_at_once_charge_once(app: Flask, pending: int, gateway: LedgerGateway) -> None:
    gateway.latency = 0.05
    answers = at_once(
        app, 6, lambda client, number: change_order(client, pending, "COMPLETED", gateway_response=str(number))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 5
    assert {detail(answer) for answer in answers if answer.status_code == 400} == {
        "Cannot change status from COMPLETED to COMPLETED, use refund endpoint"
    }
    assert gateway.count(Kind.CHARGE) == 1


def test_pending_payment_can_be_set_to_failed(client: FlaskClient, pending: int, gateway: LedgerGateway) -> None:
    body = paid(change_order(client, pending, "FAILED"), 200)
    assert (body["status"], body["gateway_response"]) == ("FAILED", None)
    assert trail(body) == [("PAYMENT", "PENDING", 2499.99), ("PAYMENT", "FAILED", 2499.99)]
    assert not gateway.sent


@pytest.mark.parametrize("word", ["COMPLETED", "FAILED", "CANCELLED"])
def test_gateway_response_of_the_caller_is_shown(client: FlaskClient, pending: int, word: str) -> None:
    said = "The bank says:\n" + "x" * 485
    body = paid(change_order(client, pending, word, gateway_response=said), 200)
    assert (body["status"], body["gateway_response"]) == (word, said)


@pytest.mark.parametrize("came_from", WORDS)
def test_illegal_change_of_status_answers_400_and_changes_nothing(
    client: FlaskClient, gateway: LedgerGateway, came_from: str
) -> None:
    legal = {"PENDING": {"COMPLETED", "FAILED", "CANCELLED"}, "FAILED": {"CANCELLED"}, "CANCELLED": {"CANCELLED"}}
    number = in_status(client, gateway, came_from)
    before, sent = read(client, number), len(gateway.sent)
    illegal = [word for word in WORDS if word not in legal.get(came_from, set())]

    def refusal_of(word: str) -> str:
        if word == "CANCELLED":
            return f"Cannot cancel payment with status: {came_from}"
        hint = ", use refund endpoint" if came_from == "COMPLETED" or word == "REFUNDED" else ""
        return f"Cannot change status from {came_from} to {word}{hint}"

    refusals = {word: detail(change_order(client, number, word)) for word in illegal}
    assert refusals == {word: refusal_of(word) for word in illegal}
    assert read(client, number) == before
    assert len(gateway.sent) == sent


def test_change_with_invalid_fields_answers_422(client: FlaskClient, pending: int) -> None:
    assert faults(change_order(client, pending, ABSENT)) == [(["body", "status"], "missing")]
    statuses: tuple[Any, ...] = ("completed", "SUCCESS", "", 5, None, [], True)
    responses: tuple[Any, ...] = ("x" * 501, 5, {}, True)
    of_status = [faults(change_order(client, pending, value)) for value in statuses]
    of_response = [faults(change_order(client, pending, "FAILED", gateway_response=value)) for value in responses]
    assert [[loc for loc, _ in found] for found in of_status] == [[["body", "status"]]] * len(statuses)
    assert [[loc for loc, _ in found] for found in of_response] == [[["body", "gateway_response"]]] * len(responses)
    assert read(client, pending)["status"] == "PENDING"


@pytest.mark.parametrize("blank", ["", None])
def test_change_with_a_blank_gateway_response_stores_none(client: FlaskClient, pending: int, blank: str | None) -> None:
    assert paid(change_order(client, pending, "CANCELLED", gateway_response=blank), 200)["gateway_response"] is None


def test_pending_payment_is_cancelled_once(client: FlaskClient, pending: int, gateway: LedgerGateway) -> None:
    first, again, third = (
        paid(answer, 200)
        for answer in (
            cancel_order(client, pending),
            cancel_order(client, pending),
            change_order(client, pending, "CANCELLED"),
        )
    )
    assert (first["status"], first["completed_at"]) == ("CANCELLED", None)
    assert trail(first) == [("PAYMENT", "PENDING", 2499.99), ("PAYMENT", "CANCELLED", 2499.99)]
    assert first == again == third == read(client, pending)
    assert not gateway.sent


def test_failed_payment_can_be_cancelled(client: FlaskClient, pending: int) -> None:
    paid(change_order(client, pending, "FAILED", gateway_response="No money"), 200)
    body = paid(cancel_order(client, pending), 200)
    assert (body["status"], body["gateway_response"]) == ("CANCELLED", "No money")


@pytest.mark.parametrize("word", ["PROCESSING", "COMPLETED", "REFUNDED"])
def test_cancellation_of_a_processing_completed_or_refunded_payment_is_refused(
    client: FlaskClient, gateway: LedgerGateway, word: str
) -> None:
    number = in_status(client, gateway, word)
    before = read(client, number)
    answer = cancel_order(client, number)
    assert detail(answer) == f"Cannot cancel payment with status: {word}"
    assert answer.get_json()["code"] == "illegal_move"
    assert read(client, number) == before


def test_cancellation_of_a_partially_refunded_payment_is_refused(client: FlaskClient) -> None:
    number = paid(charge_order(client))["payment_id"]
    paid(refund_order(client, number, amount=1), 200)
    assert detail(cancel_order(client, number)) == "Cannot cancel payment with status: COMPLETED"


def test_charge_and_cancellation_at_once_do_only_one_of_them(app: Flask, pending: int, gateway: LedgerGateway) -> None:
    gateway.latency = 0.02
    charge, cancellation = at_once(
        app,
        2,
        lambda client, number: cancel_order(client, pending) if number else change_order(client, pending, "COMPLETED"),
    )
    assert sorted((charge.status_code, cancellation.status_code)) == [200, 400]
    assert gateway.count(Kind.CHARGE) == (charge.status_code == 200)
