"""A Kafka consumer that decodes strictly: in each channel every field has one type, and there are no other fields."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest

from tests.neighbours.conftest import Start
from tests.neighbours.processes import Processes
from tests.support.callers import BILL, TRIP
from tests.support.kafka_cluster import KafkaCluster
from tests.support.orders import ORDER
from tests.support.tokens import bearer

TOPIC = "payment-events"
TEXT, NUMBER, WHOLE, NOTHING = frozenset({str}), frozenset({float}), frozenset({int}), frozenset({type(None)})
ENVELOPE = {
    **dict.fromkeys(("event_type", "event_id", "payment_id", "order_id", "timestamp", "channel"), TEXT),
    "version": WHOLE,
    "data": frozenset({dict}),
}
_MONEY = dict.fromkeys(("amount", "refunded_amount", "refund_amount", "original_amount"), NUMBER)
_WORDS = dict.fromkeys(("payment_id", "order_id", "status", "currency", "reference", "created_at", "updated_at"), TEXT)
DATA: Mapping[str, Mapping[str, frozenset[type]]] = {
    "trips": {**_MONEY, **_WORDS, "trip_id": WHOLE, "refund_id": WHOLE},
    "bills": {**_WORDS, "bill_id": WHOLE, **dict.fromkeys(("amount", "method", "paid_at"), TEXT)},
    "bookings": {
        **_MONEY,
        **_WORDS,
        **dict.fromkeys(("user_id", "booking_id", "failure_code"), TEXT),
        **dict.fromkeys(("payment_method", "transaction_ref", "failure_message"), TEXT | NOTHING),
    },
    "orders": {
        **_MONEY,
        **_WORDS,
        **dict.fromkeys(("payment_method", "transaction_id"), TEXT),
        **dict.fromkeys(("authorization_code", "gateway_response", "completed_at", "captured_at"), TEXT | NOTHING),
        "user_id": WHOLE | NOTHING,
        "refund_id": WHOLE,
    },
    "checkout": {
        **_MONEY,
        **_WORDS,
        **dict.fromkeys(("payment_method", "error", "error_message", "refund_id"), TEXT),
        **dict.fromkeys(("transaction_id", "payment_intent_id"), TEXT | NOTHING),
    },
}
"""The consumer's declaration of each channel's `data`: names and types as in docs/reference/schemas/data.json."""


def decode(message: bytes) -> dict[str, Any]:
    """Return the event, or an AssertionError where a field is unknown or of another type than declared."""
    event: dict[str, Any] = json.loads(message)
    assert event.keys() == ENVELOPE.keys(), event
    check(event, ENVELOPE)
    check(event["data"], DATA[event["channel"]])
    assert str(UUID(event["event_id"])) == event["event_id"]
    for name in ("payment_id", "order_id"):
        assert event["data"].get(name, event[name]) == event[name], event
    return event


def check(fields: Mapping[str, Any], declared: Mapping[str, frozenset[type]]) -> None:
    wrong = {name: value for name, value in fields.items() if type(value) not in declared.get(name, ())}
    assert not wrong, wrong


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    with closing(KafkaCluster(TOPIC)) as cluster:
        yield cluster


def pay_and_refund(service: Processes) -> None:
    """Make a payment of every channel, refunded where the channel can: sums and numbers are whole where they may be."""
    trip = service.ask("POST", "/payments", {**TRIP, "amount": 150})
    service.ask("POST", f"/payments/{trip['payment_id']}/refunds", {"idempotency_key": "back", "amount": 50})
    service.ask("POST", "/v1/payments", {**BILL, "amount": 525}, 201, {"Idempotency-Key": "bill"})
    ada = bearer("ada")
    booked = service.ask("POST", "/api/payments", {"booking_id": "BOOK-001", "amount": 150}, 201, ada)["payment"]
    for action in ("process", "refund"):
        service.ask("POST", f"/api/payments/{booked['payment_id']}/{action}", headers=ada)
    order = service.ask("POST", "/v1/payments/charge", {**ORDER, "amount": 10}, 201, {"Idempotency-Key": "order"})
    service.ask("POST", f"/v1/payments/{order['payment_id']}/refund", {"reason": "Returned", "amount": 3})
    bought = {"order_id": "ORD-1", "amount": 100, "currency": "USD", "payment_method": "credit_card"}
    sale = service.ask("POST", "/api/v1/payments/process", bought)
    service.ask("POST", "/api/v1/payments/refund", {"transaction_id": sale["transaction_id"], "amount": 40})


def decline(service: Processes) -> None:
    """Make a declined payment of every channel."""
    service.ask("POST", "/payments", {**TRIP, "idempotency_key": "no", "amount": 402.01})
    service.ask("POST", "/v1/payments", {**BILL, "bill_id": 2, "amount": 402.01}, 402, {"Idempotency-Key": "no"})
    bob = bearer("bob")
    booked = service.ask("POST", "/api/payments", {"booking_id": "BOOK-002", "amount": 402.01}, 201, bob)["payment"]
    service.ask("POST", f"/api/payments/{booked['payment_id']}/process", status=402, headers=bob)
    order = {**ORDER, "order_id": 3002, "amount": 402.01}
    service.ask("POST", "/v1/payments/charge", order, 201, {"Idempotency-Key": "no-order"})
    bought = {"order_id": "ORD-2", "amount": 402.01, "currency": "USD", "payment_method": "paypal"}
    assert service.ask("POST", "/api/v1/payments/process", bought)["success"] is False


def test_consumer_that_decodes_strictly_reads_every_channel(start: Start, cluster: KafkaCluster) -> None:
    service = start(KAFKA_BROKERS=cluster.brokers_at, KAFKA_TOPIC=TOPIC, KAFKA_CHANNELS="*")
    worker = service.start_worker()
    pay_and_refund(service)
    decline(service)
    service.wait_until_delivered()
    assert worker.stop() == 0, worker.last_words()

    messages = cluster.listen()
    events = [decode(bytes(message.value() or b"")) for message in messages]

    assert [message.key() for message in messages] == [event["payment_id"].encode() for event in events]
    assert len(events) == len(service.deliveries("--limit", "1000"))
    outcomes = {(event["channel"], event["event_type"]) for event in events}
    assert outcomes >= {(channel, "payment.failed") for channel in DATA}
    assert outcomes >= {(channel, "payment.refunded") for channel in DATA if channel != "bills"}
    paid = {event["channel"] for event in events if event["event_type"] in {"payment.completed", "payment.successful"}}
    assert paid == set(DATA)
    service.verify()
