"""Every read route runs as many statements for twelve rows as for one."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.crash.proxy import CommitProxy, commit_proxy
from tests.support.through_proxy import app_through
from tests.support.tokens import bearer

MOST = 3
"""Statements of a read: the owner, the rows shown, and the total number."""
MANY = 12
NOT_LOOKS = ("/docs", "/redoc", "/openapi.json", "/health", "/metrics", "/ops")
"""Pages about the service and for its operators; what they cost is held down elsewhere."""

PAID: dict[str, tuple[str, Callable[[int], dict[str, Any]]]] = {
    "trip": ("/payments", lambda _: {"trip_id": 7, "method": "CARD", "amount": 150.0}),
    "bill": ("/v1/payments", lambda _: {"bill_id": 7, "method": "UPI", "amount": 9}),
    "order": (
        "/v1/payments/charge",
        lambda n: {"order_id": 100 + n, "user_id": 5, "amount": 9, "payment_method": "UPI"},
    ),
    "booking": ("/api/payments", lambda n: {"booking_id": f"b{n}", "amount": 9}),
    "checkout": (
        "/api/v1/payments/process",
        lambda n: {"order_id": f"o{n}", "amount": 9, "payment_method": "paypal", "capture": True},
    ),
}


@pytest.fixture
def proxy(lent: Callable[[str], str]) -> Iterator[CommitProxy]:
    with commit_proxy(lent("statements")) as proxy:
        yield proxy


@pytest.fixture
def app(proxy: CommitProxy) -> Iterator[Flask]:
    with app_through(proxy) as app:
        yield app


def pay(client: FlaskClient, kind: str, number: int) -> dict[str, Any]:
    """Make a payment of Ann's; the answer."""
    path, body = PAID[kind]
    key = f"{kind}-{number}"
    answer = client.post(
        path, json={**body(number), "idempotency_key": key}, headers={**bearer("ann"), "Idempotency-Key": key}
    )
    assert answer.status_code in (200, 201), answer.text
    paid: dict[str, Any] = answer.get_json()
    return paid


def refund(client: FlaskClient, payment_id: int, number: int) -> None:
    body = {"idempotency_key": f"r{number}", "amount": 1}
    answer = client.post(f"/payments/{payment_id}/refunds", json=body, headers=bearer("ann"))
    assert answer.status_code == 200, answer.text


def looks(made: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Return the paths to read for each route."""
    trip, order, checkout = made["trip"]["payment_id"], made["order"], made["checkout"]
    booking = made["booking"]["payment"]["payment_id"]
    return {
        "/payments": ["/payments", "/payments?limit=5", "/payments?trip_id=7"],
        "/payments/<payment_id>": [f"/payments/{trip}"],
        "/payments/<payment_id>/refunds": [f"/payments/{trip}/refunds"],
        "/v1/payments": ["/v1/payments", "/v1/payments?bill_id=7", "/v1/payments?page=1", "/v1/payments?user_id=5"],
        "/v1/payments/<payment_id>": [f"/v1/payments/{made['bill']['payment_id']}"],
        "/v1/payments/<payment_id>/refunds": [f"/v1/payments/{trip}/refunds"],
        "/v1/payments/order/<order_id>": [f"/v1/payments/order/{order['order_id']}"],
        "/v1/payments/transaction/<transaction_id>": [f"/v1/payments/transaction/{order['transaction_id']}"],
        "/v1/idempotency-keys": ["/v1/idempotency-keys?key=trip-0"],
        "/v1/idempotency-keys/<text:key>": ["/v1/idempotency-keys/trip-0", "/v1/idempotency-keys/none"],
        "/api/payments": ["/api/payments", "/api/payments?page=1&per_page=100"],
        "/api/payments/<payment_id>": [f"/api/payments/{booking}"],
        "/api/payments/booking/<text:booking_id>": ["/api/payments/booking/b0"],
        "/api/v1/payments/payment/<payment_id>": [f"/api/v1/payments/payment/{checkout['payment_id']}"],
        "/api/v1/payments/transaction/<transaction_id>": [f"/api/v1/payments/transaction/{checkout['transaction_id']}"],
        "/api/v1/payments/order/<text:order_id>": ["/api/v1/payments/order/o0"],
    }


def counted(client: FlaskClient, proxy: CommitProxy, paths: list[str]) -> dict[str, int]:
    """Return how many messages go to the database for each path, once its connection knows the statements."""
    told = {}
    for path in paths:
        client.get(path, headers=bearer("ann"))
        proxy.queries.clear()
        answer = client.get(path, headers=bearer("ann"))
        assert answer.status_code == 200 or "none" in path, (path, answer.text)
        told[path] = len(proxy.queries)
    return told


def test_read_has_the_same_number_of_statements_at_any_size(app: Flask, proxy: CommitProxy) -> None:
    client = app.test_client()
    made = {kind: pay(client, kind, 0) for kind in PAID}
    refund(client, made["trip"]["payment_id"], 0)
    routes = looks(made)
    rules = {rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    assert {rule for rule in rules if not rule.removeprefix("/v1").startswith(NOT_LOOKS)} == set(routes)

    paths = [path for each in routes.values() for path in each]
    few = counted(client, proxy, paths)
    for number in range(1, MANY):
        for kind in PAID:
            pay(client, kind, number)
        refund(client, made["trip"]["payment_id"], number)

    assert counted(client, proxy, paths) == few
    assert {path: number for path, number in few.items() if not 1 <= number <= MOST} == {}
