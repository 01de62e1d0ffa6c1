"""Every argument of every request that has a key arrives in its body, and the key with it."""

from typing import Any

import pytest

from tests.clients.calls import made
from tests.clients.under_test import Call, Client, answer

ORDER = {"order_id": 3, "user_id": 4, "amount": 5, "payment_method": "COD", "currency": "USD", "reference": "r"}
METADATA = {"metadata": {"camelCase": 1, "snake_case": [True, None]}}

CALLS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("trips.pay", {}, {"trip_id": 1, "method": "UPI", "amount": 5, **METADATA}),
    ("trips.refund", {"payment_id": 1}, {"amount": 5, "trip_id": 2, **METADATA}),
    ("bills.pay", {}, {"bill_id": 7, "amount": 5, "method": "UPI"}),
    ("bookings.create", {}, {"booking_id": "B", "amount": 5, "currency": "EUR", "payment_method": "card"}),
    ("bookings.process", {"payment_id": "p"}, {}),
    ("bookings.refund", {"payment_id": "p"}, {}),
    ("bookings.change_status", {"payment_id": "p"}, {"status": "cancelled", "transaction_ref": "t"}),
    ("orders.charge", {}, ORDER),
    ("orders.create", {}, ORDER),
    ("orders.refund", {"payment_id": 1}, {"amount": 5, "reason": "Returned", "order_id": 3}),
    (
        "checkout.process",
        {},
        {
            "order_id": "O",
            "amount": 5,
            "payment_method": "paypal",
            "currency": "GBP",
            "capture": False,
            "payment_method_details": {"a": "b"},
        },
    ),
    ("checkout.capture", {}, {"transaction_id": "t", "amount": 5}),
    ("checkout.void", {}, {"transaction_id": "t"}),
    ("checkout.refund", {}, {"transaction_id": "t", "amount": 5, "reason": "Returned"}),
]
"""Method, arguments of the path, fields of the body. An amount of 5 is the argument "5"."""


@pytest.mark.parametrize(("name", "path", "body"), CALLS, ids=[name for name, *_ in CALLS])
def test_every_argument_arrives_and_the_key_with_it(
    client: Client, name: str, path: dict[str, Any], body: dict[str, Any]
) -> None:
    args = {**path, **body, **({"amount": "5"} if "amount" in body else {})}
    (given,), (drawn,) = (
        made(client, Call(name, {**args, **key}), answer({"not": "the answer"})).tries for key in ({"key": "k"}, {})
    )

    assert {name: value for name, value in given.fields.items() if name != "idempotency_key"} == body
    assert given.key == "k"
    assert len(str(drawn.key)) == 36
