from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from payment_service.domain.keys import differing, fingerprint

ROUTE = "POST:/payments"
FIELDS: dict[str, Any] = {"trip_id": 101, "amount": Decimal("150.00"), "method": "CARD", "tags": {"note": "x"}}


def test_fingerprint_of_a_request_never_changes() -> None:
    canonical = {
        "amount": '"150"',
        "method": '"CARD"',
        "route": '"POST:/payments"',
        "tags": '{"note":"x"}',
        "trip_id": "101",
    }
    expected = " ".join(f"{name}:{sha256(text.encode()).hexdigest()[:16]}" for name, text in canonical.items())
    assert fingerprint(ROUTE, FIELDS) == expected


@pytest.mark.parametrize("amount", ["150", "150.0", "150.00", "150.000", "1.5E+2"])
def test_spelling_of_an_amount_does_not_matter(amount: str) -> None:
    assert fingerprint(ROUTE, FIELDS | {"amount": Decimal(amount)}) == fingerprint(ROUTE, FIELDS)


def test_order_of_fields_does_not_matter() -> None:
    assert fingerprint(ROUTE, dict(reversed(FIELDS.items()))) == fingerprint(ROUTE, FIELDS)
    nested = {"tags": {"a": 1, "b": {"c": 2, "d": 3}}}
    turned = {"tags": {"b": {"d": 3, "c": 2}, "a": 1}}
    assert fingerprint(ROUTE, nested) == fingerprint(ROUTE, turned)


def test_absent_field_and_null_are_the_same() -> None:
    assert fingerprint(ROUTE, FIELDS | {"reason": None}) == fingerprint(ROUTE, FIELDS)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"amount": Decimal("150.01")}, ["amount"]),
        ({"trip_id": 102, "method": "UPI"}, ["method", "trip_id"]),
        ({"trip_id": "101"}, ["trip_id"]),
        ({"tags": {"note": "y"}}, ["tags"]),
        ({"tags": None}, ["tags"]),
        ({"metadata": {"note": "y"}}, []),
        ({"reason": "new"}, ["reason"]),
        ({}, []),
    ],
)
def test_differing_fields_are_named(change: dict[str, Any], fields: list[str]) -> None:
    one, other = fingerprint(ROUTE, FIELDS), fingerprint(ROUTE, FIELDS | change)
    assert differing(one, other) == differing(other, one) == fields
    assert (one == other) == (not fields)


def test_other_route_has_another_fingerprint() -> None:
    assert differing(fingerprint("POST:/payments/7/refunds", {}), fingerprint("POST:/payments/8/refunds", {})) == [
        "route"
    ]


def test_fingerprint_ignores_the_sign_of_zero_and_the_scale_of_numbers() -> None:
    assert fingerprint("", {"a": Decimal("0.00")}) == fingerprint("", {"a": Decimal(0)})
    assert fingerprint("", {"a": Decimal("1E+2")}) == fingerprint("", {"a": Decimal(100)})


def test_fingerprint_contains_no_value_of_the_request() -> None:
    text = fingerprint(ROUTE, {"tags": {"note": "a canary"}, "reason": "a canary"})
    assert "canary" not in text


def test_value_that_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        fingerprint(ROUTE, {"a": object()})
