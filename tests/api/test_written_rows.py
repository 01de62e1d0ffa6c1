"""Each operation of each channel leaves the expected rows in the journal, deliveries and keys."""

import pytest
from flask import Flask

from payment_service.models import idempotency_keys, outbox_deliveries, payments, reservations, transactions
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.changing import ChangingGateway
from tests.support.database import rows
from tests.support.every_event import everything


@pytest.fixture
def gateway() -> ChangingGateway:
    return ChangingGateway()


@pytest.fixture
def app(make_app: MakeApp, gateway: ChangingGateway) -> Flask:
    """Use every channel of a service that sends events to both brokers; return it."""
    app = make_app(rabbitmq_enabled=True, kafka_brokers="127.0.0.1:9")
    everything(app, gateway)
    return app


@pytest.fixture
def deps(app: Flask) -> Dependencies:
    return dependencies_of(app)


@pytest.mark.parametrize("broker", ["rabbitmq", "kafka"])
def test_every_change_of_the_journal_is_delivered_to_each_broker(deps: Dependencies, broker: str) -> None:
    names = ("payment_id", "version", "event_type", "request_id", "traceparent", "created_at")
    changes = {row["event_id"]: row for row in rows(deps, transactions) if row["event_id"] is not None}
    delivered = {row["event_id"]: row for row in rows(deps, outbox_deliveries) if row["sink"] == broker}
    assert {event: [row[name] for name in names] for event, row in delivered.items()} == {
        event: [row[name] for name in names] for event, row in changes.items()
    }


def test_undecided_attempt_has_a_journal_row_without_version_and_event(deps: Dependencies) -> None:
    attempts = [row for row in rows(deps, transactions) if row["move"] == "failed_attempt"]
    assert attempts
    assert all(row["version"] is row["event_id"] is row["event_type"] is None for row in attempts)
    assert all(row["from_status"] == row["status"] for row in attempts)


def test_response_is_stored_only_under_the_key_of_a_client(deps: Dependencies) -> None:
    finished = [row for row in rows(deps, idempotency_keys) if row["response_status"] is not None]
    assert {row["is_client_key"] for row in finished} == {True, False}
    assert all((row["response_data"] is not None) is row["is_client_key"] for row in finished)


def test_payable_is_reserved_while_its_payment_may_be_paid(deps: Dependencies) -> None:
    held = {row["payment_id"] for row in rows(deps, reservations) if row["kind"] == "payable"}
    unpaid = {"FAILED", "CANCELLED"}
    expected = {
        row["payment_id"] for row in rows(deps, payments) if row["channel"] == "orders" and row["status"] not in unpaid
    }
    assert held == expected
