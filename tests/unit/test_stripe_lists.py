"""The adapter reads Stripe's lists: a payment's refunds, and the account's balance transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from payment_service.domain.errors import GatewayUnavailable
from payment_service.domain.operations import Kind
from payment_service.gateways.base import Pending, Unknown
from payment_service.gateways.listed import Entry, Unasked
from payment_service.gateways.stripe import StripeGateway
from tests.support.scripted_server import ScriptedServer
from tests.support.stripe_replies import (
    CHARGE,
    INTENT,
    REFUND,
    Sent,
    asked,
    http,
    intent,
    listed,
    refund,
    stripe_that_says,
)

MOMENT = datetime(2026, 11, 1, 8, 15, tzinfo=UTC)
LISTS = ("charges", "payments", "intents", "refunds", "failures", "failures of payments", "disputes")
"""The lists in the order of the requests for them."""
MANUAL = {"capture_method": "manual"}


def booked(source: dict[str, Any], amount: int, **changes: Any) -> dict[str, Any]:
    """Return a balance transaction in euros, with its source."""
    found = {
        "id": "txn_1",
        "object": "balance_transaction",
        "amount": amount,
        "created": int(MOMENT.timestamp()),
        "currency": "eur",
        "fee": 430,
        "net": amount - 430,
        "source": source,
    }
    return found | changes


def taken(of: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the charge of an intent."""
    found = {"id": CHARGE, "object": "charge", "amount_captured": 15000, "currency": "usd", "livemode": False}
    return found | {"payment_intent": of, "metadata": of.get("metadata", {}), **changes}


@contextmanager
def stripe_with(**lists: list[dict[str, Any]]) -> Iterator[tuple[StripeGateway, ScriptedServer]]:
    """Return a gateway with lists of these objects, made at `MOMENT`."""
    replies = []
    for name in LISTS:
        found = [{"created": int(MOMENT.timestamp())} | each for each in lists.get(name.replace(" ", "_"), [])]
        replies.append(http(200, listed(*found)))
    with stripe_that_says(*replies) as (gateway, server):
        yield gateway, server


def ours(key: str, status: str, **more: Any) -> dict[str, Any]:
    """Return an intent of ours."""
    return intent(status, id=f"pi_{key}", metadata={"gateway_key": key, **more.pop("marks", {})}, **more)


def whole(gateway: StripeGateway) -> list[Entry]:
    return list(gateway.ledger(None, None))


def test_refund_is_found_by_our_key_on_any_page() -> None:
    """Two POSTs would be two refunds: only the key shows that they are one."""
    own = refund("pending", metadata={"gateway_key": "v1-key"})
    others = refund(id="re_other", metadata={}), refund(id="re_last", metadata={"gateway_key": "v1-other"})
    request = asked(Kind.REFUND, "15.00", gateway_key="v1-key")
    with stripe_that_says(http(200, listed(*others, more=True)), http(200, listed(own))) as (gateway, server):
        assert gateway.lookup(request) == Pending(REFUND)
    first, second = (Sent(each).line for each in server.received)
    assert first == f"GET /v1/refunds?limit=100&payment_intent={INTENT}"
    assert second == f"GET /v1/refunds?limit=100&payment_intent={INTENT}&starting_after=re_last"


@pytest.mark.parametrize(
    "body", [{}, {"data": {}, "has_more": False}, {"data": [7], "has_more": False}, listed(more=True)]
)
def test_incomplete_list_is_no_proof_of_absence(body: dict[str, Any]) -> None:
    with stripe_that_says(http(200, body)) as (gateway, _):
        assert type(gateway.lookup(asked(Kind.REFUND))) is Unknown
        with pytest.raises(GatewayUnavailable):
            whole(gateway)


def test_entry_has_the_presented_amount_and_the_settled_fee() -> None:
    """The amount is not the balance transaction's, which is in another currency."""
    with stripe_with(charges=[booked(taken(ours("v1-a", "succeeded")), 13800)]) as (gateway, server):
        [entry] = whole(gateway)
    assert entry == Entry(
        "v1-a",
        Kind.CHARGE,
        Decimal("150.00"),
        "USD",
        reference="pi_v1-a",
        created_at=MOMENT,
        fee=Decimal("4.30"),
        net=Decimal("133.70"),
        settlement_currency="EUR",
    )
    lines = [Sent(each).line.partition("?")[0].rpartition("/")[2] for each in server.received]
    assert lines == [
        *("balance_transactions", "balance_transactions", "payment_intents", "refunds"),
        *("balance_transactions", "balance_transactions", "disputes"),
    ]


def test_capture_has_the_key_from_the_metadata_of_its_hold() -> None:
    booked_charge = {"latest_charge": {"id": CHARGE, "balance_transaction": "txn_1"}}
    held = ours("v1-hold", "succeeded", marks={"capture_key": "v1-capture"}, **MANUAL, **booked_charge)
    with stripe_with(charges=[booked(taken(held, amount_captured=3000), 2800)], intents=[held]) as (gateway, _):
        capture, hold = whole(gateway)
    assert (capture.gateway_key, capture.kind, capture.amount) == ("v1-capture", Kind.CAPTURE, Decimal("30.00"))
    assert (capture.reference, capture.parent_key) == (CHARGE, "v1-hold")
    assert (hold.gateway_key, hold.kind, hold.amount) == ("v1-hold", Kind.AUTHORIZE, Decimal("150.00"))


def test_capture_without_a_booking_has_no_fee() -> None:
    late = {"latest_charge": {"id": CHARGE, "balance_transaction": None}, "amount_received": 3000}
    held = ours("v1-hold", "succeeded", marks={"capture_key": "v1-capture"}, **MANUAL, **late)
    with stripe_with(intents=[held]) as (gateway, _):
        _, capture = whole(gateway)
    assert (capture.gateway_key, capture.kind, capture.amount) == ("v1-capture", Kind.CAPTURE, Decimal("30.00"))
    assert (capture.reference, capture.fee) == (CHARGE, None)


def test_charge_is_listed_once_with_or_without_a_booking() -> None:
    """Fees come late: the balance transaction may be missing when the payment has succeeded."""
    late = ours("v1-late", "succeeded", latest_charge={"id": "ch_1", "balance_transaction": None})
    known = ours("v1-known", "succeeded", latest_charge={"id": "ch_2", "balance_transaction": "txn_1"})
    with stripe_with(charges=[booked(taken(known), 13800)], intents=[known, late]) as (gateway, _):
        found = {entry.gateway_key: entry for entry in whole(gateway)}
    assert len(found) == 2
    assert found["v1-late"].fee is None
    assert found["v1-late"].net is None
    assert found["v1-late"].settlement_currency is None


def test_cancelled_intent_is_listed_only_when_it_held_money() -> None:
    intents = [
        ours("waiting", "requires_action"),
        ours("declined", "canceled"),
        ours("hold", "requires_capture", **MANUAL),
        ours("voided", "canceled", marks={"void_key": "void"}, **MANUAL),
        ours("expired", "canceled", cancellation_reason="automatic", **MANUAL),
        ours("given-up", "canceled", cancellation_reason="abandoned", **MANUAL),
    ]
    with stripe_with(intents=intents) as (gateway, _):
        found = [(entry.gateway_key, entry.kind) for entry in whole(gateway)]
    assert found == [
        ("hold", Kind.AUTHORIZE),
        ("voided", Kind.AUTHORIZE),
        ("void", Kind.VOID),
        ("expired", Kind.AUTHORIZE),
    ]


def test_succeeded_refund_is_listed_with_its_charge() -> None:
    paid = ours("v1-a", "succeeded")
    refunds = [
        refund(metadata={"gateway_key": "v1-r"}, payment_intent=paid, balance_transaction=booked({}, -1380)),
        refund("pending", id="re_2", metadata={"gateway_key": "v1-p"}, payment_intent=paid),
        refund("failed", id="re_3", metadata={"gateway_key": "v1-f"}, payment_intent=paid),
        refund(id="re_4", payment_intent=paid, balance_transaction=None),
    ]
    with stripe_with(refunds=refunds) as (gateway, _):
        own, elsewhere = whole(gateway)
    assert (own.gateway_key, own.parent_key, own.net) == ("v1-r", "v1-a", Decimal("-18.10"))
    assert (elsewhere.gateway_key, elsewhere.parent_key, elsewhere.reference) == (None, "v1-a", "re_4")
    assert elsewhere.fee is None


def test_failed_refunds_and_disputes_are_listed() -> None:
    lost = refund("failed", metadata={"gateway_key": "v1-r"})
    dispute = {"id": "du_1", "object": "dispute", "amount": 15000, "currency": "usd", "livemode": False}
    dispute |= {"payment_intent": ours("v1-a", "succeeded"), "balance_transactions": [booked({}, -13800, fee=1500)]}
    with stripe_with(failures=[booked(lost, 1380)], disputes=[dispute]) as (gateway, _):
        back, asked_back = whole(gateway)
    assert (back.kind, back.gateway_key, back.amount) == (Unasked.REFUND_FAILED, "v1-r", Decimal("15.00"))
    assert (asked_back.kind, asked_back.reference, asked_back.parent_key) == (Unasked.DISPUTE, "du_1", "v1-a")
    assert asked_back.fee == Decimal("15.00")


def test_period_is_read_by_the_hour_with_its_payouts() -> None:
    payout = {"id": "po_1", "object": "payout", "livemode": False}
    charged = booked(taken(ours("v1-a", "succeeded")), 13800)
    empty = [http(200, listed())] * len(LISTS)
    replies = [http(200, listed(payout)), http(200, listed(booked({}, 13800))), http(200, listed(charged)), *empty[1:]]
    with stripe_that_says(*replies, *empty) as (gateway, server):
        [entry] = gateway.ledger(MOMENT, MOMENT + timedelta(hours=1, minutes=30))
    assert entry.payout == "po_1"
    since = int(MOMENT.timestamp())
    first, second = (Sent(server.received[2 + len(LISTS) * hour]).line for hour in range(2))
    assert f"created[gte]={since}&created[lt]={since + 3600}" in first.replace("%5B", "[").replace("%5D", "]")
    assert f"created[gte]={since + 3600}&created[lt]={since + 5400}" in second.replace("%5B", "[").replace("%5D", "]")


def test_ledger_of_the_other_mode_raises() -> None:
    with stripe_with(intents=[intent("succeeded", livemode=True)]) as (gateway, _), pytest.raises(GatewayUnavailable):
        whole(gateway)


@pytest.mark.parametrize("missing", ["created", "fee", "currency"])
def test_unreadable_entry_ends_the_list(missing: str) -> None:
    """An unreadable list must not pass for an empty one."""
    charged = booked(taken(ours("v1-a", "succeeded")), 13800) | {missing: None}
    with stripe_with(charges=[charged]) as (gateway, _), pytest.raises(GatewayUnavailable):
        whole(gateway)


def test_ledger_is_read_page_by_page() -> None:
    """Years of payments do not fit into a process."""
    page = http(200, listed(booked(taken(ours("v1-a", "succeeded")), 13800), more=True))
    with stripe_that_says(page) as (gateway, server):
        entries = gateway.ledger(None, None)
        next(entries)
        assert len(server.received) == 1
