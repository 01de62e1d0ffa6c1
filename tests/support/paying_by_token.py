"""Calls of callers with customers who pay by token at a gateway that registers first, and reads of the tables."""

from typing import Any

from flask.testing import FlaskClient

from payment_service.domain.operations import CancelReason
from payment_service.models import idempotency_keys, payments
from payment_service.repositories import keys
from payment_service.services.dependencies import Dependencies
from tests.support.database import rows

BACK = "https://shop.example.com/back"


def pay(client: FlaskClient, key: str = "k1", card: str | None = "tok_visa", **fields: Any) -> Any:
    body = {"idempotency_key": key, "trip_id": 101, "method": "CARD", "amount": 150.0, **fields}
    return client.post("/payments", json=body | ({"payment_token": card} if card else {}))


def hold(
    client: FlaskClient, key: str | None = "h1", card: str = "tok_visa", *, capture: bool = False, **details: Any
) -> Any:
    body = {
        "order_id": "ORD-1",
        "amount": 100.0,
        "payment_method": "credit_card",
        "capture": capture,
        "payment_method_details": {"payment_token": card, **details},
    }
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("/api/v1/payments/process", json=body, headers=headers)


def key_row(deps: Dependencies) -> dict[str, Any]:
    return max(rows(deps, idempotency_keys), key=lambda row: row["key_id"])


def ask_to_cancel(deps: Dependencies) -> None:
    with deps.database.atomic("test") as connection:
        keys.ask_to_cancel_charge(connection, rows(deps, payments)[-1]["payment_id"], CancelReason.CALLER)


def status(deps: Dependencies) -> str:
    return str(rows(deps, payments)[-1]["status"])
