"""The faults of the orders document's original, in its own numbering: each test fails on that fault.

Those that only several processes show are in `test_defects_of_orders_at_work.py`.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from itertools import count as numbers_from

import pytest
from flask.testing import FlaskClient

from payment_service.domain.operations import Kind
from payment_service.failpoints import arm
from payment_service.gateways.base import Declined, GatewayRequest, SendResult
from payment_service.models import idempotency_keys, payment_refunds, payments
from payment_service.services.dependencies import Dependencies
from tests.support.callers import with_raw
from tests.support.database import count, expire_leases
from tests.support.gateways import LedgerGateway
from tests.support.orders import (
    ORDER,
    cancel_order,
    change_order,
    charge_order,
    create_order,
    detail,
    faults,
    paid,
    refund_order,
)

BETWEEN_THE_COMMITS = ("claim.after_commit", "gateway.answered", "finish.before_commit", "finish.after_commit")


@contextmanager
def broken_at(point: str) -> Iterator[None]:
    """Crash every request that gets to this point."""
    arm(f"{point}=raise")
    try:
        yield
    finally:
        arm("")


def test_defect_2_key_that_is_too_long_is_refused_before_the_charge(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """A key of 300 characters was charged for, then 500; the retry got "already exists"."""
    assert faults(charge_order(client, "x" * 300)) == [(["header", "Idempotency-Key"], "string_length")]
    assert (count(deps, payments), count(deps, idempotency_keys), len(gateway.sent)) == (0, 0, 0)
    assert paid(charge_order(client, "x" * 255))["status"] == "COMPLETED"


@pytest.mark.parametrize("point", BETWEEN_THE_COMMITS)
def test_defect_2_after_a_crash_the_retry_gets_the_payment(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, point: str
) -> None:
    """A crash between any two of its five commits left a charge, and the original refused the retry."""
    with broken_at(point):
        assert charge_order(client, "k").status_code == 500
    expire_leases(deps)
    body = paid(charge_order(client, "k"))
    assert (body["status"], len(body["transactions"])) == ("COMPLETED", 2)
    assert gateway.count(Kind.CHARGE) == count(deps, payments) == 1


def test_defect_3_key_of_another_order_answers_422(client: FlaskClient, gateway: LedgerGateway) -> None:
    """The original stored the request's hash and never compared it: another order's payment came back with 201."""
    first = paid(charge_order(client, "k"))
    answer = charge_order(client, "k", order_id=3002, amount=5)
    assert detail(answer, 422).endswith("(different: amount, order_id)")
    assert answer.get_json()["payment"]["payment_id"] == first["payment_id"]
    assert client.get("/v1/payments/order/3002").status_code == 404
    assert gateway.count(Kind.CHARGE) == 1


def test_defect_5_status_refunded_cannot_be_set(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """PATCH status REFUNDED closed a payment as refunded, though nothing went back."""
    number = paid(charge_order(client))["payment_id"]
    assert detail(change_order(client, number, "REFUNDED")).endswith("use refund endpoint")
    assert paid(client.get(f"/v1/payments/{number}"), 200)["status"] == "COMPLETED"
    assert (count(deps, payment_refunds), gateway.count(Kind.REFUND)) == (0, 0)


@pytest.mark.parametrize("word", ["FAILED", "CANCELLED"])
def test_defect_5_ended_payment_cannot_be_set_to_completed(
    client: FlaskClient, gateway: LedgerGateway, word: str
) -> None:
    """FAILED and CANCELLED payments could be set to COMPLETED, past the gateway."""
    number = paid(create_order(client))["payment_id"]
    paid(change_order(client, number, word), 200)
    assert detail(change_order(client, number, "COMPLETED")) == f"Cannot change status from {word} to COMPLETED"
    assert not gateway.sent


def test_defect_5_payment_is_completed_only_by_a_charge(client: FlaskClient, gateway: LedgerGateway) -> None:
    """PENDING was set to COMPLETED without any charge."""
    number = paid(create_order(client))["payment_id"]
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    assert paid(change_order(client, number, "COMPLETED"), 200)["status"] == "FAILED"


def test_defect_6_amount_is_rounded_half_even_and_refused_at_zero(client: FlaskClient, deps: Dependencies) -> None:
    """0.004 was a completed payment of 0.0; floats made 10.005 into 10.01 and 2.675 into 2.67; NaN was 500."""
    refused, rounded = ("0.004", "0.005", "NaN", "1e400"), {"10.005": 10.0, "2.675": 2.68, "0.0051": 0.01}
    answers = {
        text: client.post(
            "/v1/payments/charge",
            data=with_raw({**ORDER, "order_id": number}, "amount", text),
            content_type="application/json",
            headers={"Idempotency-Key": f"key {text}"},
        )
        for number, text in enumerate((*refused, *rounded), 1)
    }
    assert {text: answers[text].status_code for text in refused} == dict.fromkeys(refused, 422)
    assert {text: paid(answers[text])["amount"] for text in rounded} == rounded
    assert count(deps, payments) == 3


def test_defect_6_refund_of_zero_is_refused(client: FlaskClient, gateway: LedgerGateway) -> None:
    """A refund of 0.001 left the whole payment REFUNDED."""
    number = paid(charge_order(client))["payment_id"]
    assert faults(refund_order(client, number, amount=0.001)) == [(["body", "amount"], "greater_than")]
    assert paid(client.get(f"/v1/payments/{number}"), 200)["status"] == "COMPLETED"
    assert gateway.count(Kind.REFUND) == 0


def test_defect_8_after_a_partial_refund_the_rest_can_be_refunded(client: FlaskClient, gateway: LedgerGateway) -> None:
    """Any refund made the payment REFUNDED, and its remaining amount could not be refunded."""
    number = paid(charge_order(client, amount=100))["payment_id"]
    first, second = (paid(refund_order(client, number, amount=amount), 200) for amount in (30, 70))
    assert [(body["status"], body["refunded_amount"]) for body in (first, second)] == [
        ("COMPLETED", 30.0),
        ("REFUNDED", 100.0),
    ]
    assert sum(sent.amount for sent in gateway.ledger.values() if sent.kind is Kind.REFUND) == 100


def test_defect_9_internal_error_shows_no_details(client: FlaskClient, gateway: LedgerGateway) -> None:
    """500 bodies carried SQL with its parameters."""

    def crash(_instruction: GatewayRequest) -> SendResult:
        raise RuntimeError("INSERT INTO payments VALUES ('secret')")

    gateway.script.append(crash)
    answer = charge_order(client)
    assert answer.status_code == 500
    assert answer.get_json() == {
        "detail": "Internal server error",
        "code": "internal_error",
        "retry": {"safe": True, "key": "same", "after": 1},
    }


@pytest.mark.parametrize("number", [2**31 - 1, 2**31, 2**63 - 1])
def test_defect_9_large_order_id_is_accepted(client: FlaskClient, number: int) -> None:
    """Order 2147483648 was 500."""
    body = paid(charge_order(client, order_id=number, user_id=number))
    assert (body["order_id"], body["user_id"]) == (number, number)
    assert paid(client.get(f"/v1/payments/order/{number}"), 200) == body
    assert client.get("/v1/payments", query_string={"user_id": number}).get_json()["total"] == 1
    assert client.get(f"/v1/payments/{number}").status_code == 404


def test_defect_11_order_can_be_paid_after_a_failed_payment(client: FlaskClient, gateway: LedgerGateway) -> None:
    """After a failed or cancelled payment an order could never be paid again."""
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    assert paid(charge_order(client, "one"))["status"] == "FAILED"
    paid(cancel_order(client, paid(create_order(client))["payment_id"]), 200)
    last = paid(charge_order(client, "two"))
    assert last["status"] == "COMPLETED"
    assert paid(client.get("/v1/payments/order/3001"), 200) == last
    assert gateway.count(Kind.CHARGE) == 1


def test_defect_13_taken_transaction_id_is_drawn_again(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two equal random ids were a 500 for the second payment, charged or not."""
    digits = chain(["1111111111"] * 4, map(str, numbers_from(2222222222)))
    monkeypatch.setattr(
        "payment_service.clock.new_text", lambda length, _alphabet: next(digits) if length == 10 else "A" * length
    )
    drawn = [paid(charge_order(client, f"k{order}", order_id=order))["transaction_id"] for order in (1, 2)]
    assert drawn == ["TXN1111111111", "TXN2222222222"]


def test_defect_13_transaction_id_is_random(client: FlaskClient) -> None:
    """They came from a generator with a seed that gives all of them away."""
    drawn = []
    for order in (1, 2):
        random.seed(1)
        drawn.append(paid(create_order(client, order_id=order))["transaction_id"])
    assert drawn[0] != drawn[1]
