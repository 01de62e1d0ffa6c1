import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from payment_service.gateways.base import Declined, Unknown
from payment_service.models import outbox_deliveries
from tests.conftest import MakeApp, dependencies_of
from tests.support.database import rows
from tests.support.events import on_brokers
from tests.support.gateways import LedgerGateway
from tests.support.orders import cancel_order, change_order, charge_order, create_order, paid, refund_order

NEIGHBOURS = {
    "order_service_url": "http://127.0.0.1:9",
    "inventory_service_url": "http://127.0.0.1:9",
    "notification_service_url": "http://127.0.0.1:9",
}


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    """Return a caller of a service that has downstream services."""
    return make_app(**NEIGHBOURS).test_client()


def told(client: FlaskClient) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Return sink, method, path and body of every waiting webhook request: event by event, in each by sink."""
    table = outbox_deliveries.c
    statement = select(table.sink, table.method, table.path, table.body)
    statement = statement.order_by(table.payment_id, table.version, table.sink)
    with dependencies_of(client.application).database.reading() as connection:
        rows = connection.execute(statement).all()
    return [(row.sink, row.method, row.path, json.loads(row.body)) for row in rows]


def order_told(number: int, word: str) -> tuple[str, str, str, dict[str, Any]]:
    about = {"order_id": 3001, "amount": 2499.99, "currency": "INR"}
    body = {"payment_id": number, "payment_status": word, **about}
    return ("order", "PATCH", "/v1/orders/3001/payment-status", body)


def inventory_told(reason: str) -> tuple[str, str, str, dict[str, Any]]:
    return ("inventory", "POST", "/v1/inventory/release", {"order_id": 3001, "reason": reason})


def notified(kind: str, message: str) -> tuple[str, str, str, dict[str, Any]]:
    body = {"user_id": 601, "type": kind, "message": message, "channel": "EMAIL"}
    return ("notification", "POST", "/v1/notifications", body)


def test_completed_payment_sends_events_to_the_order_and_notification_services(client: FlaskClient) -> None:
    number = paid(charge_order(client))["payment_id"]
    assert told(client) == [
        notified("PAYMENT_SUCCESS", "Your payment of 2499.99 INR for order 3001 was successful"),
        order_told(number, "COMPLETED"),
    ]


def test_declined_payment_sends_a_release_to_the_inventory_service(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    number = paid(charge_order(client))["payment_id"]
    assert told(client) == [
        inventory_told("Payment failed"),
        notified("PAYMENT_FAILED", "Your payment of 2499.99 INR for order 3001 failed"),
        order_told(number, "FAILED"),
    ]


def test_event_of_a_refund_shows_the_refunded_amount(client: FlaskClient) -> None:
    number = paid(charge_order(client))["payment_id"]
    before = len(told(client))
    paid(refund_order(client, number, amount=100), 200)
    paid(refund_order(client, number), 200)
    assert told(client)[before:] == [
        inventory_told("Payment partially refunded"),
        notified("PAYMENT_REFUNDED", "100.00 INR for order 3001 has been refunded to you"),
        order_told(number, "COMPLETED"),
        inventory_told("Payment refunded"),
        notified("PAYMENT_REFUNDED", "2399.99 INR for order 3001 has been refunded to you"),
        order_told(number, "REFUNDED"),
    ]


def test_change_by_a_caller_sends_an_event(client: FlaskClient) -> None:
    first = paid(create_order(client))["payment_id"]
    assert told(client) == []
    paid(change_order(client, first, "FAILED"), 200)
    second = paid(create_order(client))["payment_id"]
    paid(change_order(client, second, "CANCELLED"), 200)
    third = paid(create_order(client))["payment_id"]
    paid(change_order(client, third, "COMPLETED"), 200)
    assert [row for row in told(client) if row[0] == "order"] == [
        order_told(first, "FAILED"),
        order_told(second, "CANCELLED"),
        order_told(third, "COMPLETED"),
    ]


def test_undecided_and_repeated_charge_sends_one_event_when_it_is_decided(
    client: FlaskClient, gateway: LedgerGateway
) -> None:
    gateway.script.append(Unknown("time-out"))
    number = paid(charge_order(client), 202)["payment_id"]
    assert told(client) == []
    for _ in range(3):
        paid(charge_order(client))
    assert [row for row in told(client) if row[0] == "order"] == [order_told(number, "COMPLETED")]
    waiting = paid(create_order(client, order_id=5))["payment_id"]
    for _ in range(2):
        paid(cancel_order(client, waiting), 200)
    assert sum(row[3].get("payment_status") == "CANCELLED" for row in told(client)) == 1


def test_cancellation_of_a_failed_payment_sends_no_event_after_a_later_payment(
    client: FlaskClient, gateway: LedgerGateway
) -> None:
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    failed = paid(charge_order(client, "first"))["payment_id"]
    number = paid(charge_order(client, "second"))["payment_id"]
    paid(cancel_order(client, failed), 200)
    orders = [row for row in told(client) if row[0] == "order"]
    assert orders == [order_told(failed, "FAILED"), order_told(number, "COMPLETED")]


def test_declined_refund_sends_no_event(client: FlaskClient, gateway: LedgerGateway) -> None:
    number = paid(charge_order(client))["payment_id"]
    before = told(client)
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    assert refund_order(client, number).status_code == 400
    assert told(client) == before


def test_events_of_all_payments_of_an_order_are_in_one_sequence(client: FlaskClient) -> None:
    paid(change_order(client, paid(create_order(client))["payment_id"], "FAILED"), 200)
    paid(charge_order(client))
    paid(charge_order(client, "other", order_id=5))
    with dependencies_of(client.application).database.reading() as connection:
        streams = connection.execute(select(outbox_deliveries.c.stream)).scalars().all()
    assert set(streams) == {"orders:3001", "orders:5"}


def test_brokers_get_events_of_the_payment_and_its_refund(make_app: MakeApp) -> None:
    app = make_app(kafka_brokers="127.0.0.1:9")
    client = app.test_client()
    number = paid(charge_order(client))["payment_id"]
    shown = paid(refund_order(client, number, amount=100), 200)
    told = rows(dependencies_of(app), outbox_deliveries)
    assert [row["event_type"] for row in told] == [
        "payment.created",
        "payment.completed",
        "payment.refund_requested",
        "payment.refunded",
    ]
    message = json.loads(told[-1]["body"])
    assert isinstance(message["data"].pop("refund_id"), int)
    del shown["transactions"]
    assert (message["payment_id"], message["order_id"], told[-1]["message_key"]) == (str(number), "3001", str(number))
    assert message["data"] == on_brokers({**shown, "refund_amount": 100.0})
