"""A caller of bookings: one subject with its token, and the document's requests as methods."""

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.tokens import bearer

PAYMENTS = "/api/payments"


class Booker:
    """One subject at one service; `claims` go into its token, `key` into the header where one is given."""

    def __init__(self, app: Flask, subject: str, **claims: Any) -> None:
        self.app = app
        self.subject = subject
        self.headers = bearer(subject, **claims)

    def __call__(self, method: str, path: str, key: str | None = None, **request: Any) -> TestResponse:
        """Any request, with a client of its own: threads may share a caller."""
        named = {} if key is None else {"Idempotency-Key": key}
        client: FlaskClient = self.app.test_client()
        return client.open(PAYMENTS + path, method=method, headers=self.headers | named, **request)

    def create(self, key: str | None = None, /, **fields: Any) -> TestResponse:
        """`POST /api/payments`; a field given as None is left out."""
        body = {"booking_id": "BOOK-001", "amount": 150.0, **fields}
        return self("POST", "", key, json={name: value for name, value in body.items() if value is not None})

    def made(self, **fields: Any) -> str:
        """Return the id of a new pending payment."""
        return str(payment_of(self.create(**fields), 201)["payment_id"])

    def paid(self, **fields: Any) -> str:
        """Return the id of a new completed payment."""
        payment_id = self.made(**fields)
        assert payment_of(self.process(payment_id))["status"] == "completed"
        return payment_id

    def process(self, payment_id: str, key: str | None = None, **request: Any) -> TestResponse:
        return self("POST", f"/{payment_id}/process", key, **request)

    def refund(self, payment_id: str, key: str | None = None, **request: Any) -> TestResponse:
        return self("POST", f"/{payment_id}/refund", key, **request)

    def patch(self, payment_id: str, key: str | None = None, /, **body: Any) -> TestResponse:
        return self("PATCH", f"/{payment_id}/status", key, json=body)

    def show(self, payment_id: str) -> TestResponse:
        return self("GET", f"/{payment_id}")

    def status(self, payment_id: str) -> str:
        """Return the status as the caller reads it."""
        return str(payment_of(self.show(payment_id))["status"])

    def page(self, query: str = "") -> dict[str, Any]:
        """Return a page of the caller's payments."""
        answer = self("GET", query)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.get_json()
        return body


def payment_of(answer: TestResponse, status: int = 200) -> dict[str, Any]:
    """Return the payment in an answer that must have this status."""
    assert answer.status_code == status, answer.text
    payment: dict[str, Any] = answer.get_json()["payment"]
    return payment


def error_of(answer: TestResponse, status: int = 400) -> str:
    """Return the error's text in an answer that must have this status."""
    assert answer.status_code == status, answer.text
    return str(answer.get_json()["error"])
