"""The requests of orders' callers: an ordinary one of each kind, with the important fields given."""

from collections.abc import Mapping
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.callers import filled

ORDER: Mapping[str, Any] = {
    "order_id": 3001,
    "user_id": 601,
    "amount": 2499.99,
    "currency": "INR",
    "payment_method": "CREDIT_CARD",
    "reference": "INV-2025-001234",
}
REFUND: Mapping[str, Any] = {"reason": "Customer requested - testing"}
FIELDS = [
    "payment_id", "order_id", "user_id", "amount", "currency", "payment_method", "status", "transaction_id",
    "reference", "authorization_code", "gateway_response", "created_at", "updated_at", "completed_at", "captured_at",
    "refunded_amount", "transactions",
]  # fmt: skip
Headers = Mapping[str, str] | None


def charge_order(
    client: FlaskClient, key: str | None = "order-2025-12345-attempt-1", headers: Headers = None, **fields: Any
) -> TestResponse:
    """`POST /v1/payments/charge` as the document shows it; `key` None sends no header."""
    return client.post("/v1/payments/charge", json=filled(ORDER, fields), headers=_headers(key, headers))


def create_order(
    client: FlaskClient, key: str | None = None, headers: Headers = None, path: str = "/v1/payments", **fields: Any
) -> TestResponse:
    """`POST /v1/payments`: the same without charging, and by default without a key."""
    return client.post(path, json=filled(ORDER, fields), headers=_headers(key, headers))


def change_order(
    client: FlaskClient, payment_id: object, status: object, headers: Headers = None, **fields: Any
) -> TestResponse:
    """`PATCH /v1/payments/{id}/status`."""
    return client.patch(
        f"/v1/payments/{payment_id}/status", json=filled({"status": status}, fields), headers=_headers(None, headers)
    )


def refund_order(
    client: FlaskClient, payment_id: object, key: str | None = None, headers: Headers = None, **fields: Any
) -> TestResponse:
    """`POST /v1/payments/{id}/refund` of all that is left, with other fields where given."""
    return client.post(f"/v1/payments/{payment_id}/refund", json=filled(REFUND, fields), headers=_headers(key, headers))


def cancel_order(client: FlaskClient, payment_id: object, headers: Headers = None) -> TestResponse:
    """`DELETE /v1/payments/{id}`."""
    return client.delete(f"/v1/payments/{payment_id}", headers=_headers(None, headers))


def _headers(key: str | None, headers: Headers) -> dict[str, str]:
    return {**({} if key is None else {"Idempotency-Key": key}), **(headers or {})}


def paid(answer: TestResponse, status: int = 201) -> dict[str, Any]:
    """Return the payment in an answer of this HTTP status."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.get_json()
    return body


def trail(payment: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    """Type, status and amount of each of a payment's transactions."""
    return [(row["transaction_type"], row["status"], row["amount"]) for row in payment["transactions"]]


def faults(answer: TestResponse) -> list[tuple[list[str | int], str]]:
    """Return the places and types of a 422's faults."""
    assert answer.status_code == 422, answer.text
    body = answer.get_json()
    assert set(body) == {"detail", "code", "retry"}
    assert all(set(fault) == {"loc", "msg", "type"} and fault["msg"] for fault in body["detail"])
    return [(fault["loc"], fault["type"]) for fault in body["detail"]]


def detail(answer: TestResponse, status: int = 400) -> str:
    """Return the text of an error of this HTTP status; every error has a code and says whether to try again."""
    assert answer.status_code == status, answer.text
    body = answer.get_json()
    assert set(body) >= {"detail", "code", "retry"}
    text: str = body["detail"]
    return text
