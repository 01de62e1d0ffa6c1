"""The requests of trips' and bills' callers: an ordinary one of each kind, with the important fields given."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support import waiting

ABSENT = object()
"""A field given as this is left out of the body."""

TRIP: Mapping[str, Any] = {"idempotency_key": "demo-client-1", "trip_id": 101, "method": "CARD", "amount": 150.00}
BILL: Mapping[str, Any] = {"bill_id": 1, "amount": 525.00, "method": "UPI"}
Headers = Mapping[str, str] | None


def pay_trip(client: FlaskClient, path: str = "/payments", headers: Headers = None, **fields: Any) -> TestResponse:
    """`POST /payments` as the trips document shows it, with other fields where given."""
    return client.post(path, json=filled(TRIP, fields), headers=headers)


def refund_trip(
    client: FlaskClient, payment_id: object, headers: Headers = None, prefix: str = "", **fields: Any
) -> TestResponse:
    """`POST /payments/{payment_id}/refunds` of all that is left, with other fields where given."""
    body = filled({"idempotency_key": "refund-demo-1"}, fields)
    return client.post(f"{prefix}/payments/{payment_id}/refunds", json=body, headers=headers)


def pay_bill(
    client: FlaskClient, key: str | None = "unique-key-123", headers: Headers = None, **fields: Any
) -> TestResponse:
    """`POST /v1/payments` as the bills document shows it; `key` None sends no header."""
    named = {} if key is None else {"Idempotency-Key": key}
    return client.post("/v1/payments", json=filled(BILL, fields), headers={**named, **(headers or {})})


def filled(ordinary: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return an ordinary body with other fields, without those that are ABSENT."""
    return {name: value for name, value in {**ordinary, **fields}.items() if value is not ABSENT}


def with_raw(ordinary: Mapping[str, Any], field: str, text: str) -> str:
    """Return a body with `field` written exactly as `text`, be it JSON or not."""
    body = json.dumps({**ordinary, field: "\x00"})
    return body.replace('"\\u0000"', text)


def trip_id_of(answer: TestResponse) -> int:
    """Return the payment's number in an answer that must be a success."""
    assert answer.status_code == 200, answer.text
    number = answer.get_json()["payment_id"]
    assert isinstance(number, int)
    return number


def at_once(app: Flask, count: int, call: Callable[[FlaskClient, int], TestResponse]) -> list[TestResponse]:
    """Return the answers to `count` calls, numbered from 0, that start at the same moment with a client each."""
    return waiting.at_once([partial(call, app.test_client(), number) for number in range(count)])
