"""Each gateway result about money is one log line with the fields that operators search for and the request's ids."""

import pytest

from payment_service.gateways.base import Declined, Pending, Unknown
from tests.conftest import Lines, MakeApp, dependencies_of
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import events, recover_all
from tests.support.gateways import LedgerGateway

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FIELDS = ("event", "level", "kind", "outcome", "payment_id", "channel", "amount", "currency", "why")


@pytest.fixture
def decisions(lines: Lines) -> Lines:
    return lambda: [line for line in lines() if str(line["event"]).startswith("movement.")]


def test_charge_and_refund_are_logged_with_amount_and_ids(make_app: MakeApp, decisions: Lines) -> None:
    client = make_app(log_level="INFO").test_client()
    ids = {"X-Request-ID": "the-request", "traceparent": TRACE}
    number = trip_id_of(pay_trip(client, amount="150.10", headers=ids))
    refund_trip(client, number, amount=50)
    charge, refund = decisions()

    assert [charge.get(name) for name in FIELDS] == [
        "movement.decided", "info", "charge", "approved", number, "trips", "150.10", "INR", None,
    ]  # fmt: skip
    assert (charge["request_id"], charge["traceparent"]) == ("the-request", TRACE)
    assert (refund["kind"], refund["outcome"], refund["amount"]) == ("refund", "approved", "50.00")


def test_decline_is_logged_with_its_reason_and_an_undecided_charge_as_a_warning(
    make_app: MakeApp, gateway: LedgerGateway, decisions: Lines
) -> None:
    app = make_app(log_level="INFO")
    gateway.script.extend([Declined("CARD_EXPIRED", "expired"), Unknown("no answer in time"), Pending()])
    for number in range(3):
        pay_trip(app.test_client(), idempotency_key=f"k{number}")

    assert [(line["level"], line["outcome"], line["why"]) for line in decisions()] == [
        ("info", "declined", "CARD_EXPIRED"),
        ("warning", "unknown", "no answer in time"),
        ("warning", "pending", None),
    ]
    recover_all(dependencies_of(app))
    assert {line["outcome"] for line in decisions()} == {"approved"}


@pytest.mark.parametrize(
    ("sent", "stands"),
    [
        (TRACE, True),
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", True),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", False),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", False),
        (f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01", False),
        (TRACE.upper(), False),
        (f"{TRACE}-more", False),
        ("canary", False),
        ("", False),
    ],
)
def test_invalid_trace_is_not_logged(make_app: MakeApp, decisions: Lines, sent: str, stands: bool) -> None:
    app = make_app(log_level="INFO", rabbitmq_enabled=True)
    pay_trip(app.test_client(), headers={"traceparent": sent})
    (line,) = decisions()

    assert ("traceparent" in line) is stands
    assert len(events(dependencies_of(app))) == 2


def test_log_field_of_a_key_hash_accepts_only_a_hash() -> None:
    from payment_service.domain.cards import MASKED
    from payment_service.logs import mask

    assert mask(None, "", {"key_hash": "ab" * 32}) == {"key_hash": "ab" * 32}
    assert mask(None, "", {"key_hash": "demo-client-1"}) == {"key_hash": MASKED}


def test_value_in_a_message_of_postgresql_is_masked() -> None:
    from payment_service.logs import mask

    said = "duplicate key\nDETAIL:  Key (reference)=(canary) already exists.\nLINE 1"
    masked = mask(None, "", {"event": "x", "exception": said})["exception"]
    assert masked == "duplicate key\nDETAIL: [masked]\nLINE 1"
