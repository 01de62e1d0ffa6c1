from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined, NotSent, Pending, Unknown
from tests.support.callers import ABSENT, at_once
from tests.support.gateways import LedgerGateway
from tests.support.orders import (
    FIELDS,
    change_order,
    charge_order,
    create_order,
    detail,
    faults,
    paid,
    refund_order,
    trail,
)


@pytest.fixture
def charged(client: FlaskClient) -> int:
    """Return the number of a completed payment of 1500.00."""
    number: int = paid(charge_order(client, amount=1500))["payment_id"]
    return number


def test_refund_answers_as_the_document_shows(client: FlaskClient, charged: int, gateway: LedgerGateway) -> None:
    body = paid(refund_order(client, charged, amount=1500.00), 200)
    assert list(body) == FIELDS
    assert (body["status"], body["amount"], body["refunded_amount"]) == ("REFUNDED", 1500.0, 1500.0)
    assert body["gateway_response"] == "Refund: Customer requested - testing"
    assert trail(body)[2:] == [("REFUND", "REFUNDED", 1500.0)]
    assert body["transactions"][2]["description"] == "Refund: Customer requested - testing"
    assert gateway.count(Kind.REFUND) == 1
    assert paid(client.get(f"/v1/payments/{charged}"), 200) == body


def test_refund_without_an_amount_refunds_the_rest(client: FlaskClient, charged: int) -> None:
    paid(refund_order(client, charged, amount="0.01"), 200)
    body = paid(refund_order(client, charged), 200)
    assert (body["status"], body["refunded_amount"]) == ("REFUNDED", 1500.0)
    assert trail(body)[2:] == [("REFUND", "COMPLETED", 0.01), ("REFUND", "REFUNDED", 1499.99)]


def test_partial_refunds_are_summed_and_the_last_one_sets_refunded(client: FlaskClient, charged: int) -> None:
    seen = [paid(refund_order(client, charged, f"part-{number}", amount=500), 200) for number in range(3)]
    assert [(body["status"], body["refunded_amount"]) for body in seen] == [
        ("COMPLETED", 500.0),
        ("COMPLETED", 1000.0),
        ("REFUNDED", 1500.0),
    ]
    assert detail(refund_order(client, charged)) == "Cannot refund payment with status: REFUNDED"


def test_refund_above_the_rest_is_refused(client: FlaskClient, charged: int, gateway: LedgerGateway) -> None:
    text = "Refund amount cannot exceed payment amount"
    assert detail(refund_order(client, charged, amount=1500.01)) == text
    paid(refund_order(client, charged, amount=1000), 200)
    answer = refund_order(client, charged, amount=500.01)
    assert (detail(answer), answer.get_json()["code"]) == (text, "amount_exceeds_available")
    assert gateway.count(Kind.REFUND) == 1


@pytest.mark.parametrize("word", ["PENDING", "PROCESSING", "FAILED", "CANCELLED"])
def test_refund_of_a_payment_that_is_not_completed_answers_400(
    client: FlaskClient, gateway: LedgerGateway, word: str
) -> None:
    if word == "PROCESSING":
        gateway.script.append(Unknown("time-out"))
        number = paid(charge_order(client), 202)["payment_id"]
    else:
        number = paid(create_order(client))["payment_id"]
        if word != "PENDING":
            paid(change_order(client, number, word), 200)
    answers = [refund_order(client, number, key) for key in (None, "k", "k")]
    assert [detail(answer) for answer in answers] == [f"Cannot refund payment with status: {word}"] * 3
    assert {answer.get_json()["code"] for answer in answers} == {"illegal_move"}
    assert ["Idempotent-Replayed" in answer.headers for answer in answers] == [False, False, True]
    assert gateway.count(Kind.REFUND) == 0


def test_refund_with_an_invalid_reason_answers_422(client: FlaskClient, charged: int) -> None:
    reasons: tuple[Any, ...] = (ABSENT, None, "", "four", 12345, [], True, "x" * 493)
    found = [faults(refund_order(client, charged, reason=reason)) for reason in reasons]
    assert [[loc for loc, _ in each] for each in found] == [[["body", "reason"]]] * len(reasons)


def test_refund_shows_its_reason_as_the_gateway_response(client: FlaskClient, charged: int) -> None:
    reasons = ["fives", "x" * 492, "two\nlines"]
    answers = [paid(refund_order(client, charged, amount=1, reason=reason), 200) for reason in reasons]
    assert [answer["gateway_response"] for answer in answers] == [f"Refund: {reason}" for reason in reasons]


def test_refund_of_an_invalid_amount_answers_422(client: FlaskClient, charged: int, gateway: LedgerGateway) -> None:
    wrong: tuple[Any, ...] = (0, -1, 0.004, 0.005, "0.001", "NaN", "", "abc", True, None, [], {}, "1e2", 10**12)
    found = [faults(refund_order(client, charged, "k", amount=amount)) for amount in wrong]
    assert [[loc for loc, _ in each] for each in found] == [[["body", "amount"]]] * len(wrong)
    assert gateway.count(Kind.REFUND) == 0
    assert paid(refund_order(client, charged, "k", amount="10.005"), 200)["refunded_amount"] == 10.0


def test_refund_is_rounded_to_the_decimals_of_the_currency(client: FlaskClient, gateway: LedgerGateway) -> None:
    number = paid(charge_order(client, amount=500, currency="JPY"))["payment_id"]
    answer = refund_order(client, number, "k", amount=0.5)
    assert faults(answer) == [(["body", "amount"], "greater_than")]
    assert paid(refund_order(client, number, "k", amount="100.4"), 200)["refunded_amount"] == 100.0
    assert [sent.amount for sent in gateway.sent] == [Decimal(500), Decimal(100)]


def test_repeat_under_a_key_refunds_once(client: FlaskClient, charged: int, gateway: LedgerGateway) -> None:
    first, again = (refund_order(client, charged, "k", amount=100) for _ in range(2))
    assert (again.status_code, again.data) == (200, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = refund_order(client, charged, "k", amount=200)
    assert other.get_json()["code"] == "idempotency_key_mismatch"
    assert gateway.count(Kind.REFUND) == 1


def test_each_request_without_a_key_is_a_refund(client: FlaskClient, charged: int, gateway: LedgerGateway) -> None:
    for amount in (100, 101):
        paid(refund_order(client, charged, amount=amount), 200)
    assert gateway.count(Kind.REFUND) == 2


@pytest.mark.parametrize("key", ["", " ", "x" * 256])
def test_invalid_key_of_a_refund_is_refused(client: FlaskClient, charged: int, key: str) -> None:
    assert faults(refund_order(client, charged, key))[0][0] == ["header", "Idempotency-Key"]


def test_declined_refund_leaves_the_payment_unchanged(
    client: FlaskClient, charged: int, gateway: LedgerGateway
) -> None:
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    first, again = refund_order(client, charged, "k"), refund_order(client, charged, "k")
    assert detail(first) == "Refund declined: Card was declined by issuer"
    assert first.get_json()["code"] == "refund_declined"
    assert (again.status_code, again.data) == (400, first.data)
    body = paid(client.get(f"/v1/payments/{charged}"), 200)
    assert (body["status"], body["refunded_amount"]) == ("COMPLETED", 0.0)
    assert trail(body)[2:] == [("REFUND", "FAILED", 1500.0)]
    assert paid(refund_order(client, charged, "another"), 200)["status"] == "REFUNDED"


@pytest.mark.parametrize("word", [Unknown("time-out"), Pending("later")], ids=["unknown", "pending"])
def test_undecided_refund_answers_202_and_reserves_its_amount(
    client: FlaskClient, charged: int, gateway: LedgerGateway, word: Unknown | Pending
) -> None:
    gateway.script.append(word)
    answer = refund_order(client, charged, "k", amount=1000)
    body = paid(answer, 202)
    assert set(body) == {*FIELDS, "message"}
    assert (body["payment_id"], body["status"], body["refunded_amount"]) == (charged, "COMPLETED", 0.0)
    assert (body["message"], answer.headers["Retry-After"]) == ("Refund accepted for processing", "2")
    assert body["gateway_response"] == "Payment processed successfully", "the caller's reason is not the gateway's word"
    assert len(body["transactions"]) == 2
    assert detail(refund_order(client, charged, amount=500.01)) == "Refund amount cannot exceed payment amount"
    assert paid(refund_order(client, charged, "k", amount=1000), 200)["refunded_amount"] == 1000.0
    assert gateway.count(Kind.REFUND) == 1


def test_refund_without_a_gateway_answers_503_and_a_repeat_refunds(
    client: FlaskClient, charged: int, gateway: LedgerGateway
) -> None:
    gateway.script.append(NotSent("refused"))
    assert detail(refund_order(client, charged, "k"), 503)
    assert paid(refund_order(client, charged, "k"), 200)["status"] == "REFUNDED"
    assert gateway.count(Kind.REFUND) == 1


def test_refunds_at_once_refund_no_more_than_was_paid(app: Flask, charged: int, gateway: LedgerGateway) -> None:
    gateway.latency = 0.02
    answers = at_once(app, 8, lambda client, number: refund_order(client, charged, f"k{number}", amount=500))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [400] * 5
    assert gateway.count(Kind.REFUND) == 3
    assert paid(app.test_client().get(f"/v1/payments/{charged}"), 200)["status"] == "REFUNDED"
