"""Reconciling with Stripe's lists, through the official library and HTTP, where settlements are in another currency."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service import clock
from payment_service.gateways.stripe import StripeGateway
from payment_service.services.differences import Line
from payment_service.services.reconciliation import reconcile
from tests.conftest import dependencies_of
from tests.support.at_stripe import shop
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.checkouts import body_of, post
from tests.support.instructions import PATIENT
from tests.support.stripe_bank import VISA, StripeBank, stripe_bank

__all__ = ["shop"]

TOKEN = {"Payment-Token": VISA}


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[StripeBank]:
    with stripe_bank(tmp_path) as found:
        found.admin("settings", settlement_currency="eur", exchange_rate="0.5")
        yield found


def lines(app: Flask) -> list[Line]:
    told: list[Line] = []
    now = clock.now()
    day = timedelta(days=1)
    result = reconcile(dependencies_of(app), None, now - day, now + day, told.append)
    assert result.cut_short is None
    return told


def hold(client: FlaskClient) -> str:
    """Return the transaction of a new hold of 100.00 USD."""
    order = {"order_id": "ORD-1", "amount": 100.0, "currency": "USD", "payment_method": "credit_card"}
    answer = client.post("/api/v1/payments/process", json=order | {"capture": False}, headers=TOKEN)
    return str(body_of(answer)["transaction_id"])


def test_movements_of_the_service_equal_those_at_stripe_with_fee_net_and_payout(shop: Flask, bank: StripeBank) -> None:
    client = shop.test_client()
    paid = trip_id_of(pay_trip(client, headers=TOKEN))
    assert refund_trip(client, paid, amount=50).status_code == 200
    body_of(post(client, "capture", transaction_id=hold(client), amount=30.0))
    bank.admin("payouts")
    found = {line.entry.kind.value: line for line in lines(shop) if line.entry}
    assert [line.difference for line in found.values() if line.difference] == []
    assert found.keys() == {"charge", "refund", "authorize", "capture"}
    charge, capture = found["charge"].entry, found["capture"].entry
    assert charge is not None
    assert capture is not None
    assert (charge.amount, charge.currency) == (Decimal("150.00"), "INR")
    assert (charge.settlement_currency, charge.fee, charge.net) == ("EUR", Decimal("2.48"), Decimal("72.52"))
    assert (capture.amount, capture.currency, capture.settlement_currency) == (Decimal("30.00"), "USD", "EUR")
    assert charge.payout is not None
    assert charge.payout.startswith("po_")


def test_movement_made_only_at_stripe_is_reported(shop: Flask, bank: StripeBank) -> None:
    client = shop.test_client()
    first, second = (trip_id_of(pay_trip(client, headers=TOKEN, idempotency_key=f"key-{n}")) for n in range(2))
    assert refund_trip(client, second, amount=50).status_code == 200
    refund = bank.refunds.list({"limit": 1}).data[0]
    intents = bank.intents.list({"limit": 2}).data
    bank.refunds.create({"payment_intent": intents[1].id, "amount": 1_000})
    bank.admin("disputes", payment_intent=intents[0].id, amount=2_000)
    bank.admin(f"refunds/{refund.id}/fail")
    bank.paid(7_700, key="v1-somebody-else")
    found = sorted(
        (line.difference.kind.value, line.payment_id, line.difference.what) for line in lines(shop) if line.difference
    )
    assert found == [
        ("dispute", second, "dispute that is not known here"),
        ("elsewhere", first, f"refund of 10.00 INR on payment {first} that was made elsewhere"),
        ("not_here", None, "charge of 77.00 USD at the gateway that no operation asked for"),
        ("state", second, "done here, and it came back at the gateway"),
        ("state", second, "done here, declined at the gateway: REFUND_FAILED"),
    ]


def test_refused_api_key_cuts_the_report_short(shop: Flask, bank: StripeBank) -> None:
    client = shop.test_client()
    trip_id_of(pay_trip(client, headers=TOKEN))
    bank.admin("settings", restricted_keys={"rk_test_some": ["balance_transactions"]})
    patient: dict[str, Any] = {"connect_timeout": PATIENT, "read_timeout": PATIENT}
    with closing(StripeGateway("rk_test_some", base=bank.simulator.url, **patient)) as gateway:
        deps = dependencies_of(shop)
        other = type(deps.gateways)({"remote": gateway}, "remote")
        object.__setattr__(deps, "gateways", other)
        now = clock.now()
        result = reconcile(deps, None, now - timedelta(days=1), now, lambda line: None)
    assert result.cut_short is not None
    assert "Stripe turned the request away" in result.cut_short
