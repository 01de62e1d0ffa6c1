import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Table

from payment_service.gateways.base import Declined, NotSent, Unknown
from payment_service.models import outbox_deliveries, transactions
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import pay_bill, pay_trip, refund_trip
from tests.support.database import events, rows
from tests.support.events import on_brokers
from tests.support.gateways import LedgerGateway

TOLD = ("payment.completed", "payment.failed", "payment.refunded")
FIELDS = ["payment_id", "trip_id", "amount", "status", "reference"]


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """Return a service that sends events to RabbitMQ."""
    return make_app(rabbitmq_enabled=True)


def of_type(deps: Dependencies, name: str) -> list[dict[str, Any]]:
    return [data for kind, data in events(deps) if kind == name]


def test_event_of_a_paid_trip_has_the_five_documented_fields(client: FlaskClient, deps: Dependencies) -> None:
    paid = pay_trip(client).get_json()
    (data,) = of_type(deps, "payment.completed")
    assert list(data) == FIELDS
    assert data == on_brokers({name: paid[name] for name in FIELDS})


def test_failed_trip_sends_an_event(client: FlaskClient, deps: Dependencies, gateway: LedgerGateway) -> None:
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    failed = pay_trip(client).get_json()
    (data,) = of_type(deps, "payment.failed")
    assert data == on_brokers({name: failed[name] for name in FIELDS})
    assert data["status"] == "FAILED"


def test_event_of_a_refund_has_its_number_and_amount(client: FlaskClient, deps: Dependencies) -> None:
    number = pay_trip(client).get_json()["payment_id"]
    part = refund_trip(client, number, idempotency_key="1", amount=50).get_json()
    rest = refund_trip(client, number, idempotency_key="2").get_json()
    told = of_type(deps, "payment.refunded")
    assert [list(data) for data in told] == [[*FIELDS, "refund_id", "refund_amount"]] * 2
    assert [(data["refund_id"], data["refund_amount"]) for data in told] == [
        (part["refund_id"], 50.0),
        (rest["refund_id"], 100.0),
    ]
    assert [data["status"] for data in told] == ["SUCCESS", "REFUNDED"]


def test_undecided_payment_sends_no_event_of_an_outcome(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.extend([Unknown("time-out"), NotSent("refused")])
    pay_trip(client, idempotency_key="1")
    pay_trip(client, idempotency_key="2")
    assert [kind for kind, _ in events(deps)] == ["payment.created"] * 2
    assert [data["status"] for _, data in events(deps)] == ["PENDING"] * 2


def test_repeat_and_refusal_send_no_event(client: FlaskClient, deps: Dependencies) -> None:
    number = pay_trip(client).get_json()["payment_id"]
    before = events(deps)
    pay_trip(client)
    pay_trip(client, amount=151)
    pay_trip(client, idempotency_key="new", amount=-1)
    refund_trip(client, number, amount=151)
    refund_trip(client, number + 1)
    assert events(deps) == before


def test_notification_service_gets_success_failure_and_refund_only(make_app: MakeApp, gateway: LedgerGateway) -> None:
    app = make_app(rabbitmq_enabled=True, trip_notification_service_url="http://notifications.example")
    client, deps = app.test_client(), dependencies_of(app)
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    pay_trip(client, idempotency_key="declined")
    number = pay_trip(client).get_json()["payment_id"]
    refund_trip(client, number, amount=50)
    calls = [row for row in rows(deps, outbox_deliveries) if row["sink"] != "rabbitmq"]
    told = [json.loads(row["body"]) for row in calls]
    assert {(row["sink"], row["method"], row["path"]) for row in calls} == {
        ("trip_notification", "POST", "/v1/notifications")
    }
    assert [on_brokers(each) for each in told] == [data for kind, data in events(deps) if kind in TOLD]
    assert [data["status"] for data in told] == ["FAILED", "SUCCESS", "SUCCESS"]
    assert told[-1]["refund_amount"] == 50.0


@pytest.mark.parametrize("table", [transactions, outbox_deliveries], ids=str)
def test_event_has_the_request_id_and_trace_of_its_request(
    client: FlaskClient, deps: Dependencies, table: Table
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    pay_trip(client, idempotency_key="1", headers={"X-Request-ID": "mine", "traceparent": trace})
    pay_trip(client, idempotency_key="2", headers={"X-Request-ID": "other", "traceparent": "no such thing"})
    origins = {(row["request_id"], row["traceparent"]) for row in rows(deps, table)}
    assert origins == {("mine", trace), ("other", None)}


def test_event_of_a_paid_bill_shows_it_as_its_caller_sees_it(client: FlaskClient, deps: Dependencies) -> None:
    paid = pay_bill(client).get_json()
    assert of_type(deps, "payment.completed") == [on_brokers(paid)]
