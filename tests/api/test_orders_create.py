from typing import Any

import pytest
from flask.testing import FlaskClient

from payment_service.gateways.base import Declined
from tests.support.callers import ABSENT
from tests.support.gateways import LedgerGateway
from tests.support.orders import (
    FIELDS,
    ORDER,
    cancel_order,
    change_order,
    charge_order,
    create_order,
    detail,
    faults,
    paid,
    trail,
)


def test_creation_stores_a_payment_without_a_charge(client: FlaskClient, gateway: LedgerGateway) -> None:
    body = paid(create_order(client))
    assert list(body) == FIELDS
    assert {name: body[name] for name in ORDER} == ORDER
    assert body["status"] == "PENDING"
    assert body["transaction_id"].startswith("TXN")
    assert [body[name] for name in ("gateway_response", "completed_at", "captured_at")] == [None] * 3
    assert trail(body) == [("PAYMENT", "PENDING", 2499.99)]
    assert not gateway.sent


def test_creation_needs_no_key_and_honours_one(client: FlaskClient) -> None:
    first = create_order(client, "k")
    again = create_order(client, "k")
    assert (again.status_code, again.data) == (201, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert detail(create_order(client)) == "Payment for order_id 3001 already exists"


def test_creation_judges_its_fields_like_a_charge(client: FlaskClient) -> None:
    wrong: dict[str, tuple[Any, ...]] = {
        "order_id": (0, {}),
        "user_id": (0, {}),
        "amount": (100000.01, {}),
        "currency": ("RUPEES", {}),
        "payment_method": ("CARD", {}),
        "reference": ("x" * 101, {}),
    }
    pairs = [(field, value) for field, values in wrong.items() for value in values]
    named = [(field, [loc for loc, _ in faults(create_order(client, **{field: value}))]) for field, value in pairs]
    assert named == [(field, [["body", field]]) for field, _ in pairs]
    assert faults(create_order(client, user_id=ABSENT)) == [(["body", "user_id"], "missing")]
    assert faults(create_order(client, ""))[0][0] == ["header", "Idempotency-Key"]
    assert faults(create_order(client, "x" * 256))[0][0] == ["header", "Idempotency-Key"]
    body = paid(create_order(client, reference=ABSENT, currency=ABSENT, amount="2.675"))
    assert (body["currency"], body["amount"], body["reference"][:3]) == ("INR", 2.68, "REF")


@pytest.mark.parametrize("number", [2**31 - 1, 2**31, 2**63 - 1])
def test_large_ids_of_orders_and_users_are_accepted(client: FlaskClient, number: int) -> None:
    body = paid(create_order(client, order_id=number, user_id=number))
    assert (body["order_id"], body["user_id"]) == (number, number)
    assert paid(client.get(f"/v1/payments/order/{number}"), 200) == body


def test_second_live_payment_for_an_order_answers_400(client: FlaskClient, gateway: LedgerGateway) -> None:
    taken = "Payment for order_id 3001 already exists"
    number = paid(create_order(client))["payment_id"]
    answers = [create_order(client), charge_order(client, "a"), create_order(client, user_id=5)]
    assert [detail(answer) for answer in answers] == [taken] * 3
    paid(change_order(client, number, "COMPLETED"), 200)
    assert detail(charge_order(client, "b")) == taken
    assert len(gateway.sent) == 1


def test_creation_for_another_order_makes_another_payment(client: FlaskClient) -> None:
    assert paid(create_order(client))["payment_id"] != paid(create_order(client, order_id=3002))["payment_id"]


def test_order_can_be_paid_after_a_failed_or_cancelled_payment(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    failed = paid(charge_order(client, "one"))
    called_off = paid(create_order(client))
    paid(cancel_order(client, called_off["payment_id"]), 200)
    body = paid(charge_order(client, "two"))
    assert body["status"] == "COMPLETED"
    assert len({failed["payment_id"], called_off["payment_id"], body["payment_id"]}) == 3
