"""The faults of the checkout callers' first payment service, one by one: none of them may come back."""

from collections import Counter
from decimal import Decimal
from typing import Any, NoReturn

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask.testing import FlaskClient

from payment_service.config import Settings
from payment_service.db import metadata
from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined, GatewayRequest
from payment_service.models import outbox_deliveries, payments
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import at_once, with_raw
from tests.support.checkouts import PAYMENTS, body_of, detail_of, held, paid, post, process, refund, shown
from tests.support.database import count, everything, recover_all, rows
from tests.support.failing import armed
from tests.support.gateways import LedgerGateway
from tests.support.ports import free_port

BODY = {"order_id": "ORD-1", "amount": 100.0, "payment_method": "credit_card"}


def refunded(gateway: LedgerGateway) -> Decimal:
    """Return the amount that the gateway has given back."""
    return sum((sent.amount for sent in gateway.ledger.values() if sent.kind is Kind.REFUND), Decimal(0))


def test_defect_1_refund_above_the_payment_is_refused(client: FlaskClient, gateway: LedgerGateway) -> None:
    transaction = paid(client)
    assert detail_of(refund(client, transaction, 5000)) == "Amount exceeds what is left (100.0)"
    assert refunded(gateway) == 0
    assert shown(client, transaction)["status"] == "captured"


def test_defect_1_partial_refunds_are_summed(client: FlaskClient, gateway: LedgerGateway) -> None:
    transaction = paid(client)
    codes = [refund(client, transaction, 90).status_code for _ in range(4)]
    assert codes == [200, 400, 400, 400]
    assert refunded(gateway) == 90


def test_defect_2_20_refunds_at_once_refund_the_amount_once(
    app: Flask, client: FlaskClient, gateway: LedgerGateway
) -> None:
    gateway.latency = 0.02
    transaction = paid(client)
    answers = at_once(app, 20, lambda caller, _number: refund(caller, transaction, 100))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 19}
    assert refunded(gateway) == 100


def test_defect_2_partial_refunds_at_once_stop_at_the_paid_amount(
    app: Flask, client: FlaskClient, gateway: LedgerGateway
) -> None:
    gateway.latency = 0.02
    transaction = paid(client)
    answers = at_once(app, 8, lambda caller, number: refund(caller, transaction, 30, f"part {number}"))
    assert Counter(answer.status_code for answer in answers) == {200: 3, 400: 5}
    assert refunded(gateway) == 90
    assert shown(client, transaction)["refunded_amount"] == 90.0


def test_defect_3_ten_retries_at_once_capture_once(app: Flask, gateway: LedgerGateway, deps: Dependencies) -> None:
    gateway.latency = 0.05
    answers = at_once(app, 10, lambda caller, _number: process(caller, "order-1-attempt-1"))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.data for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 9
    assert (gateway.count(Kind.CHARGE), count(deps, payments)) == (1, 1)


def test_defect_4_order_with_several_payments_is_found(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    assert body_of(process(client))["status"] == "failed"
    captured = body_of(process(client))["payment_id"]
    assert body_of(client.get(f"{PAYMENTS}/order/ORD-1"))["id"] == captured
    body_of(process(client))
    assert client.get(f"{PAYMENTS}/order/ORD-1").status_code == 200


def test_defect_5_refund_has_its_time_and_the_last_part_sets_refunded(client: FlaskClient) -> None:
    transaction = paid(client)
    times = [shown(client, transaction)["refunded_at"]]
    for part in ("first", "second"):
        refund(client, transaction, 50, part)
        times.append(shown(client, transaction)["refunded_at"])
    assert times[0] is None
    assert times[1] < times[2]
    assert shown(client, transaction)["status"] == "refunded"


def test_defect_6_service_works_without_kafka(make_app: MakeApp) -> None:
    app = make_app(kafka_brokers=f"127.0.0.1:{free_port()}")
    assert app.test_client().get("/health").status_code == 200
    transaction = paid(app.test_client())
    assert body_of(refund(app.test_client(), transaction, 100))["success"]
    waiting = rows(dependencies_of(app), outbox_deliveries)
    assert {(row["sink"], row["status"]) for row in waiting} == {("kafka", "PENDING")}


def test_defect_6_service_uses_the_database_of_the_environment() -> None:
    named = {"DB_HOST": "db.example", "DB_PORT": "6543", "DB_NAME": "shop", "DB_USER": "me", "DB_PASSWORD": "p@ss"}
    assert Settings.from_env(named).database_url == "postgresql+psycopg2://me:p%40ss@db.example:6543/shop"
    url = "postgresql+asyncpg://ecommerce:dev_password@postgres:5432/ecommerce"
    assert Settings.from_env({"DATABASE_URL": url}).database_url.startswith("postgresql+psycopg2://ecommerce:")


def test_defect_6_migrations_make_the_tables_of_the_models(deps: Dependencies) -> None:
    with deps.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []


def test_defect_7_hold_can_be_voided_after_a_failed_capture(client: FlaskClient, gateway: LedgerGateway) -> None:
    transaction = held(client)
    gateway.script.append(Declined("GATEWAY_ERROR", "Failed to capture payment"))
    assert body_of(post(client, "capture", transaction_id=transaction))["error"] == "Failed to capture payment"
    assert body_of(post(client, "void", transaction_id=transaction))["status"] == "cancelled"
    assert [sent.kind for sent in gateway.sent] == [Kind.AUTHORIZE, Kind.CAPTURE, Kind.VOID]


def test_defect_7_direct_charge_holds_nothing(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(Declined("GATEWAY_ERROR", "Failed to capture payment"))
    assert body_of(process(client))["status"] == "failed"
    assert [sent.kind for sent in gateway.sent] == [Kind.CHARGE]


def test_defect_7_change_and_its_events_are_stored_together(make_app: MakeApp) -> None:
    app = make_app(kafka_brokers=f"127.0.0.1:{free_port()}")
    with armed("finish.before_commit=raise"):
        process(app.test_client(), "k")
    before = len(rows(dependencies_of(app), outbox_deliveries))
    recover_all(dependencies_of(app))
    assert body_of(process(app.test_client(), "k"))["status"] == "captured"
    assert (before, len(rows(dependencies_of(app), outbox_deliveries))) == (1, 2)


@pytest.mark.parametrize("key", ["k", None])
@pytest.mark.parametrize(
    "point", ["claim.after_commit", "gateway.answered", "finish.before_commit", "finish.after_commit"]
)
def test_defect_8_crash_is_recovered(
    client: FlaskClient, gateway: LedgerGateway, deps: Dependencies, point: str, key: str | None
) -> None:
    with armed(f"{point}=raise"):
        answer = process(client, key)
    assert answer.status_code in (202, 500, 503)
    assert answer.status_code == 202 or answer.get_json()["retry"]["safe"] is (key is not None)
    for _ in ("the charge", "its reversal"):
        recover_all(deps)
    kept = key is not None or point == "finish.after_commit"  # the service reverses it, since no caller repeats it
    assert body_of(client.get(f"{PAYMENTS}/order/ORD-1"))["status"] == ("captured" if kept else "failed")
    assert sum(sent.amount for sent in gateway.ledger.values() if sent.kind is Kind.CHARGE) - refunded(gateway) == (
        100 if kept else 0
    )


@pytest.mark.parametrize("text", ["Infinity", "-Infinity", '"Infinity"', "NaN", "1e400", "1e2000000"])
def test_defect_8_infinite_amount_is_refused(client: FlaskClient, deps: Dependencies, text: str) -> None:
    raw = with_raw(BODY, "amount", text)
    assert client.post(f"{PAYMENTS}/process", data=raw, content_type="application/json").status_code == 422
    assert count(deps, payments) == 0
    assert client.get(f"{PAYMENTS}/order/ORD-1").status_code == 404


def test_defect_8_card_number_is_refused(client: FlaskClient, deps: Dependencies) -> None:
    card: dict[str, Any] = {"card": {"number": "5555 5555 5555 4444", "exp": "12/30", "cvc": "123"}}
    assert process(client, payment_method_details=card).status_code == 422
    assert "5555" not in everything(deps)


def test_defect_9_error_shows_no_details(client: FlaskClient, gateway: LedgerGateway) -> None:
    def break_down(_instruction: GatewayRequest) -> NoReturn:
        raise RuntimeError("connection to server at 10.0.0.7 failed: password=hunter2")

    gateway.script.append(break_down)
    answer = process(client, "k")
    assert detail_of(answer, 500) == "Internal server error"
    assert answer.get_json().keys() == {"detail", "code", "retry"}


def test_defect_9_error_without_a_database_shows_no_details(make_app: MakeApp) -> None:
    url = f"postgresql+psycopg2://payments:s3cret@127.0.0.1:{free_port()}/payments"
    answer = process(make_app(database_url=url).test_client())
    assert detail_of(answer, 503) == "The database cannot be reached; repeat the request with the same key."
    text = answer.get_data(as_text=True)
    assert not any(word in text for word in ("s3cret", "psycopg2", "127.0.0.1", "refused"))
