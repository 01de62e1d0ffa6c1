import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.gateways.base import Declined, Unknown
from payment_service.models import outbox_deliveries
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.checkouts import body_of, held, paid, post, process, refund, shown
from tests.support.database import events, recover_all, rows
from tests.support.gateways import LedgerGateway


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """Return a service that sends events to RabbitMQ."""
    return make_app(rabbitmq_enabled=True)


def of_type(deps: Dependencies, name: str) -> list[dict[str, Any]]:
    return [data for kind, data in events(deps) if kind == name]


def test_event_of_a_success_is_as_the_document_shows(client: FlaskClient, deps: Dependencies) -> None:
    body = body_of(process(client))
    assert of_type(deps, "payment.successful") == [
        {
            "order_id": "ORD-1",
            "amount": 100.0,
            "currency": "USD",
            "payment_method": "credit_card",
            "transaction_id": body["transaction_id"],
            "payment_intent_id": body["payment_intent_id"],
        }
    ]


def test_event_of_a_capture_shows_the_captured_amount_and_a_hold_has_none(
    client: FlaskClient, deps: Dependencies
) -> None:
    transaction = held(client)
    assert of_type(deps, "payment.successful") == []
    post(client, "capture", transaction_id=transaction, amount=40)
    (told,) = of_type(deps, "payment.successful")
    assert (told["amount"], told["transaction_id"]) == (40.0, transaction)


def test_event_of_a_failure_shows_the_reason_under_both_names(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.append(Declined("EXPIRED_CARD", "Card has expired"))
    process(client)
    assert of_type(deps, "payment.failed") == [
        {
            "order_id": "ORD-1",
            "amount": 100.0,
            "currency": "USD",
            "payment_method": "credit_card",
            "error": "Card has expired",
            "error_message": "Card has expired",
        }
    ]


def test_event_of_a_refund_shows_the_paid_amount(client: FlaskClient, deps: Dependencies) -> None:
    transaction = paid(client)
    made = [body_of(refund(client, transaction, amount)) for amount in (30, 70)]
    assert of_type(deps, "payment.refunded") == [
        {
            "order_id": "ORD-1",
            "refund_id": body["refund_id"],
            "amount": body["amount"],
            "original_amount": 100.0,
            "currency": "USD",
        }
        for body in made
    ]


def test_declined_refund_sends_no_event_of_a_refund_or_failure(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    transaction = paid(client)
    gateway.script.append(Declined("GATEWAY_ERROR", "Not now"))
    refund(client, transaction, 30)
    kinds = [kind for kind, _ in events(deps)]
    assert kinds == ["payment.created", "payment.successful", "payment.refund_requested", "payment.refund_declined"]


def test_undecided_payment_sends_its_event_when_it_is_decided(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.append(Unknown("time-out"))
    process(client, "k")
    assert [kind for kind, _ in events(deps)] == ["payment.created"]
    recover_all(deps)
    assert [kind for kind, _ in events(deps)] == ["payment.created", "payment.successful"]


def test_event_for_brokers_has_the_id_that_callers_see(make_app: MakeApp) -> None:
    app = make_app(kafka_brokers="127.0.0.1:9")
    identity = shown(app.test_client(), paid(app.test_client()))["id"]
    deliveries = rows(dependencies_of(app), outbox_deliveries)
    messages = [json.loads(row["body"]) for row in deliveries]
    assert len(messages) == 2
    assert {message["payment_id"] for message in messages} == {row["message_key"] for row in deliveries} == {identity}
    assert {message["order_id"] for message in messages} == {"ORD-1"}
