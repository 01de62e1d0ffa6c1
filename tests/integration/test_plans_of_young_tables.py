"""A new service has no statistics, and PostgreSQL keeps the plans that it makes without: none may read whole tables."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import Connection, text

from payment_service import create_app
from payment_service.config import Settings
from tests.conftest import dependencies_of
from tests.support.gateways import LedgerGateway
from tests.support.tokens import SECRET, bearer

CHARGE = {"trip_id": 7, "method": "CARD", "amount": 150.0}
HOLD = {"order_id": "o1", "amount": 9, "payment_method": "paypal", "capture": False}


@pytest.fixture
def app(lent: Callable[[str], str]) -> Iterator[Flask]:
    url = lent("young")
    settings = Settings(database_url=url, log_level="ERROR", jwt_secret_key=SECRET, db_pool_size=1)
    app = create_app(settings, gateway=LedgerGateway())
    yield app
    dependencies_of(app).database.engine.dispose()


def use(app: Flask) -> None:
    """Have the only connection taught every statement that moves money."""
    client, ann = app.test_client(), bearer("ann")
    for _ in range(2):
        charged = client.post("/payments", json=CHARGE | {"idempotency_key": "charge"}, headers=ann)
        assert charged.status_code == 200, charged.text
    made = client.get("/payments", headers=ann).get_json()["payments"][0]["payment_id"]
    refund = {"idempotency_key": "back", "amount": 1}
    refunded = client.post(f"/payments/{made}/refunds", json=refund, headers=ann)
    assert refunded.status_code == 200, refunded.text
    held = client.post("/api/v1/payments/process", json=HOLD, headers=ann | {"Idempotency-Key": "hold"})
    taken = {"transaction_id": held.get_json()["transaction_id"]}
    captured = client.post("/api/v1/payments/capture", json=taken, headers=ann | {"Idempotency-Key": "capture"})
    assert captured.status_code == 200, captured.text


def plans(connection: Connection) -> dict[str, str]:
    """Return each statement's plan that is kept for any values of its parameters."""
    connection.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
    asked = "SELECT name, statement, coalesce(cardinality(parameter_types), 0) FROM pg_prepared_statements"
    found = {}
    for name, statement, parameters in connection.execute(text(asked)).all():
        given = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
        found[statement] = "\n".join(connection.execute(text(f"EXPLAIN EXECUTE {name}{given}")).scalars())
    return found


def test_no_statement_of_an_operation_reads_a_whole_table(app: Flask) -> None:
    use(app)
    with dependencies_of(app).database.engine.begin() as connection:
        found = plans(connection)
    assert len(found) > 8
    assert {statement: plan for statement, plan in found.items() if "Seq Scan" in plan} == {}
