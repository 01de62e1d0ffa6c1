"""E2: amounts of orders have the decimals of their currency, and no rounding takes one past a limit."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from tests.support.callers import with_raw
from tests.support.gateways import LedgerGateway
from tests.support.orders import ORDER, charge_order, faults, paid, refund_order

TAKEN = [
    ("KWD", "99.999", 99.999),
    ("KWD", "0.001", 0.001),
    ("KWD", "1.2345", 1.234),
    ("KWD", "100000", 100000.0),
    ("KWD", "99999.9996", 100000.0),
    ("JPY", "100.5", 100.0),
    ("JPY", "101.5", 102.0),
    ("JPY", "0.6", 1.0),
    ("INR", "99.995", 100.0),
    ("INR", "99999.995", 100000.0),
    ("INR", "100000.000", 100000.0),
]
REFUSED = [
    ("INR", "100000.005", "less_than_equal"),
    ("INR", "100000.001", "less_than_equal"),
    ("INR", "100000.0000000001", "less_than_equal"),
    ("KWD", "100000.0004", "less_than_equal"),
    ("KWD", "100000.001", "less_than_equal"),
    ("JPY", "100000.4", "less_than_equal"),
    ("INR", "0.004", "greater_than"),
    ("KWD", "0.0005", "greater_than"),
    ("JPY", "0.5", "greater_than"),
]


def send(client: FlaskClient, path: str, currency: str, text: str) -> TestResponse:
    body = with_raw({**ORDER, "currency": currency}, "amount", text)
    headers = {"Idempotency-Key": "key"}
    return client.post(path, data=body, content_type="application/json", headers=headers)


@pytest.mark.parametrize("path", ["/v1/payments/charge", "/v1/payments"])
@pytest.mark.parametrize(("currency", "text", "amount"), TAKEN)
@pytest.mark.parametrize("quoted", [False, True], ids=["number", "text"])
def test_e2_amount_is_rounded_to_the_decimals_of_its_currency(
    client: FlaskClient, gateway: LedgerGateway, path: str, currency: str, text: str, amount: float, quoted: bool
) -> None:
    """Release 1.0.0 charged 99.999 KWD as 100.0, and refused 100.5 JPY."""
    answer = send(client, path, currency, f'"{text}"' if quoted else text)
    assert paid(answer)["amount"] == amount
    assert [float(sent.amount) for sent in gateway.sent] == ([amount] if path.endswith("charge") else [])


@pytest.mark.parametrize("path", ["/v1/payments/charge", "/v1/payments"])
@pytest.mark.parametrize(("currency", "text", "kind"), REFUSED)
def test_e2_limits_hold_before_and_after_rounding(
    client: FlaskClient, gateway: LedgerGateway, path: str, currency: str, text: str, kind: str
) -> None:
    """Release 1.0.0 charged 100000.005 as 100000.0."""
    assert faults(send(client, path, currency, text)) == [(["body", "amount"], kind)]
    assert not gateway.sent


@pytest.mark.parametrize(
    ("currency", "amount", "refunded"),
    [("KWD", 1.234, 1.234), ("KWD", 1.2345, 1.234), ("JPY", 10.5, 10.0), ("INR", 10.005, 10.0), ("INR", 0.0051, 0.01)],
)
def test_e2_refund_is_rounded_to_the_decimals_of_its_payment(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, currency: str, amount: float, refunded: float
) -> None:
    """Release 1.0.0 refunded 1.234 KWD as 1.23, and refused 10.5 JPY."""
    number = paid(charge_order(client, amount=99, currency=currency))["payment_id"]
    answer = refund_order(client, number, "refund", amount=amount)
    assert paid(answer, 200)["refunded_amount"] == refunded
    assert refund_order(client, number, "refund", amount=amount).data == answer.data
    assert float(gateway.sent[-1].amount) == refunded
    assert not list(verify(deps))


@pytest.mark.parametrize(("currency", "amount"), [("KWD", 0.0005), ("JPY", 0.5), ("INR", 0.005), ("INR", 0)])
def test_e2_refund_that_rounds_to_zero_is_refused(client: FlaskClient, currency: str, amount: Any) -> None:
    """Nothing is left to refund, and the key stays free."""
    number = paid(charge_order(client, amount=99, currency=currency))["payment_id"]
    assert faults(refund_order(client, number, "refund", amount=amount)) == [(["body", "amount"], "greater_than")]
    assert paid(refund_order(client, number, "refund", amount=1), 200)["refunded_amount"] == 1.0


def test_e2_partial_refunds_reach_the_last_of_three_decimals(client: FlaskClient, deps: Dependencies) -> None:
    """Release 1.0.0 left a fils behind."""
    number = paid(charge_order(client, amount=99.999, currency="KWD"))["payment_id"]
    assert paid(refund_order(client, number, "first", amount=33.333), 200)["status"] == "COMPLETED"
    whole = paid(refund_order(client, number, "second", amount=66.666), 200)
    assert (whole["status"], whole["refunded_amount"]) == ("REFUNDED", 99.999)
    assert not list(verify(deps))
