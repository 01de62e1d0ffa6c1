"""The requests of trips' and bills' callers: an ordinary one of each kind, with the important fields given."""

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

ABSENT = object()
"""A field given as this is left out of the body."""

TRIP: Mapping[str, Any] = {"idempotency_key": "demo-client-1", "trip_id": 101, "method": "CARD", "amount": 150.00}
BILL: Mapping[str, Any] = {"bill_id": 1, "amount": 525.00, "method": "UPI"}
Headers = Mapping[str, str] | None


def pay_trip(client: FlaskClient, path: str = "/payments", headers: Headers = None, **fields: Any) -> TestResponse:
    """`POST /payments` as the trips document shows it, with other fields where given."""
    return client.post(path, json=_body(TRIP, fields), headers=headers)


def refund_trip(
    client: FlaskClient, payment_id: object, headers: Headers = None, prefix: str = "", **fields: Any
) -> TestResponse:
    """`POST /payments/{payment_id}/refunds` of all that is left, with other fields where given."""
    body = _body({"idempotency_key": "refund-demo-1"}, fields)
    return client.post(f"{prefix}/payments/{payment_id}/refunds", json=body, headers=headers)


def pay_bill(
    client: FlaskClient, key: str | None = "unique-key-123", headers: Headers = None, **fields: Any
) -> TestResponse:
    """`POST /v1/payments` as the bills document shows it; `key` None sends no header."""
    named = {} if key is None else {"Idempotency-Key": key}
    return client.post("/v1/payments", json=_body(BILL, fields), headers={**named, **(headers or {})})


def _body(ordinary: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
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
    """The answers to `count` calls (numbered from 0) that start at the same moment, each with a client of its own."""
    answers: list[TestResponse | None] = [None] * count
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait()
        answers[number] = call(app.test_client(), number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answer for answer in answers if answer is not None]
