"""The requests of checkout's callers, and the fields that they read of the responses."""

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PAYMENTS = "/api/v1/payments"


def post(client: FlaskClient, action: str, key: str | None = None, /, **body: Any) -> TestResponse:
    """`POST /api/v1/payments/{action}`."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(f"{PAYMENTS}/{action}", json=body, headers=headers)


def process(client: FlaskClient, key: str | None = None, /, **fields: Any) -> TestResponse:
    """Make an ordinary payment with other fields where given; one given as None is left out."""
    ordinary = {"order_id": "ORD-1", "amount": 100.0, "currency": "USD", "payment_method": "credit_card"}
    body = {name: value for name, value in {**ordinary, **fields}.items() if value is not None}
    return post(client, "process", key, **body)


def body_of(answer: TestResponse, status: int = 200) -> dict[str, Any]:
    """Return the body of an answer that must have this status."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.get_json()
    return body


def paid(client: FlaskClient, **fields: Any) -> str:
    """Return the transaction of a new captured payment."""
    body = body_of(process(client, **fields))
    assert body["status"] == "captured"
    return str(body["transaction_id"])


def held(client: FlaskClient, **fields: Any) -> str:
    """Return the transaction of a new authorised payment."""
    body = body_of(process(client, capture=False, **fields))
    assert body["status"] == "authorized"
    return str(body["transaction_id"])


def refund(client: FlaskClient, transaction_id: str, amount: float, key: str | None = None) -> TestResponse:
    return post(client, "refund", key, transaction_id=transaction_id, amount=amount)


def shown(client: FlaskClient, transaction_id: str) -> dict[str, Any]:
    """Return the payment of a transaction as its caller sees it."""
    return body_of(client.get(f"{PAYMENTS}/transaction/{transaction_id}"))


def detail_of(answer: TestResponse, status: int = 400) -> Any:
    """Return the detail of an error that must have this status."""
    return body_of(answer, status)["detail"]


def faults_of(answer: TestResponse) -> list[tuple[str, str]]:
    """Field and type of every fault in a 422."""
    return [(fault["loc"][-1], fault["type"]) for fault in detail_of(answer, 422)]
