"""Every argument of every request that has a key arrives in its body, and the key with it."""

import json
from decimal import Decimal
from typing import Any, cast

import pytest

from payment_service_client import PaymentError
from tests.clients.canned import canned

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], dict[str, Any]]] = [
    (
        "trips.pay",
        (1, "UPI"),
        {"metadata": {"a": 1}},
        {"idempotency_key": "k", "trip_id": 1, "method": "UPI", "metadata": {"a": 1}},
    ),
    (
        "trips.refund",
        (1, Decimal(5)),
        {"trip_id": 2, "metadata": {"a": 1}},
        {"idempotency_key": "k", "amount": 5, "trip_id": 2, "metadata": {"a": 1}},
    ),
    ("bills.pay", (7, Decimal(5), "UPI"), {}, {"bill_id": 7, "amount": 5, "method": "UPI"}),
    (
        "bookings.create",
        ("B", Decimal(5)),
        {"currency": "EUR", "payment_method": "card"},
        {"booking_id": "B", "amount": 5, "currency": "EUR", "payment_method": "card"},
    ),
    ("bookings.process", ("p",), {}, {}),
    ("bookings.refund", ("p",), {}, {}),
    (
        "bookings.change_status",
        ("p", "cancelled"),
        {"transaction_ref": "t"},
        {"status": "cancelled", "transaction_ref": "t"},
    ),
    (
        "orders.charge",
        (3, 4, Decimal(5), "COD"),
        {"currency": "USD", "reference": "r"},
        {"order_id": 3, "user_id": 4, "amount": 5, "payment_method": "COD", "currency": "USD", "reference": "r"},
    ),
    (
        "orders.create",
        (3, 4, Decimal(5), "COD"),
        {"currency": "USD", "reference": "r"},
        {"order_id": 3, "user_id": 4, "amount": 5, "payment_method": "COD", "currency": "USD", "reference": "r"},
    ),
    (
        "orders.refund",
        (1, "Returned", Decimal(5)),
        {"order_id": 3},
        {"amount": 5, "reason": "Returned", "order_id": 3},
    ),
    (
        "checkout.process",
        ("O", Decimal(5), "paypal"),
        {"currency": "GBP", "capture": False, "payment_method_details": {"a": "b"}},
        {
            "order_id": "O",
            "amount": 5,
            "payment_method": "paypal",
            "currency": "GBP",
            "capture": False,
            "payment_method_details": {"a": "b"},
        },
    ),
    ("checkout.capture", ("t", Decimal(5)), {}, {"transaction_id": "t", "amount": 5}),
    ("checkout.void", ("t",), {}, {"transaction_id": "t"}),
    (
        "checkout.refund",
        ("t", Decimal(5), "Returned"),
        {},
        {"transaction_id": "t", "amount": 5, "reason": "Returned"},
    ),
]


@pytest.mark.parametrize(("call", "positional", "named", "body"), CALLS, ids=[call[0] for call in CALLS])
def test_every_argument_arrives_and_the_key_with_it(
    call: str, positional: tuple[Any, ...], named: dict[str, Any], body: dict[str, Any]
) -> None:
    client, network = canned({"not": "the answer"})
    channel, method = call.split(".")
    made = getattr(getattr(client, channel), method)
    for options in ({"key": "k"}, {}):
        with pytest.raises(PaymentError):
            made(*positional, **named, **options)
    given, drawn = network.sent

    assert json.loads(cast("bytes", given.body) or b"{}") == body
    if "idempotency_key" in body:
        assert len(json.loads(cast("bytes", drawn.body))["idempotency_key"]) == 36
        return
    assert given.headers["Idempotency-Key"] == "k"
    assert len(drawn.headers["Idempotency-Key"]) == 36
