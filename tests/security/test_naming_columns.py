"""No caller sets a column by naming it, neither of a new payment nor of an existing one."""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.models import idempotency_keys, payment_refunds, payments, transactions
from tests.conftest import empty
from tests.security.places import Place, caller, places
from tests.support import checkouts, orders
from tests.support.bookers import Booker
from tests.support.callers import pay_trip, trip_id_of
from tests.support.database import rows

TABLES = (payments, payment_refunds, idempotency_keys, transactions)
COLUMNS = sorted({column.name for table in payments.metadata.sorted_tables for column in table.columns})
"""The names of all columns: no caller may set one, unless a document says so."""
NUMBER = 770_077
HOSTILE = {name: "REFUNDED" if "status" in name else NUMBER for name in COLUMNS} | {"__proto__": {"a": 1}}


def _trip(client: FlaskClient) -> object:
    return trip_id_of(pay_trip(client))


def _made_booking(client: FlaskClient) -> object:
    return Booker(client.application, "mallory").made()


def _paid_booking(client: FlaskClient) -> object:
    return Booker(client.application, "mallory").paid()


def _made_order(client: FlaskClient) -> object:
    return orders.paid(orders.create_order(client))["payment_id"]


def _paid_order(client: FlaskClient) -> object:
    return orders.paid(orders.charge_order(client))["payment_id"]


MOVES: Mapping[tuple[str, str], Callable[[FlaskClient], object]] = {
    ("POST", "/api/payments/<payment_id>/process"): _made_booking,
    ("POST", "/api/payments/<payment_id>/refund"): _paid_booking,
    ("PATCH", "/api/payments/<payment_id>/status"): _made_booking,
    ("POST", "/api/v1/payments/capture"): checkouts.held,
    ("POST", "/api/v1/payments/void"): checkouts.held,
    ("POST", "/api/v1/payments/refund"): checkouts.paid,
    ("POST", "/payments/<payment_id>/refunds"): _trip,
    ("POST", "/v1/payments/<payment_id>/refunds"): _trip,
    ("POST", "/v1/payments/<payment_id>/refund"): _paid_order,
    ("PATCH", "/v1/payments/<payment_id>/status"): _made_order,
    ("DELETE", "/v1/payments/<payment_id>"): _made_order,
}
"""Every route that changes a payment, with the maker of one that it may change; its name is in the path or body."""


@pytest.fixture(scope="module")
def writing(both: list[Flask]) -> list[Place]:
    """Return a place for each body of each route that changes a payment; operators send forms."""
    found = {f"{place.route} {place.body}": place for place in places(both[0]) if place.route.writes}
    return [place for place in found.values() if not place.route.rule.startswith("/ops")]


def test_column_named_in_a_body_is_not_set_on_a_new_payment(both: list[Flask], writing: list[Place]) -> None:
    creating = [place for place in writing if (place.route.method, place.route.rule) not in MOVES]
    found = []
    for app in both:
        compared = [(place, left_behind(app, place, {}), left_behind(app, place, HOSTILE)) for place in creating]
        # A name in the document may make it another request, or none.
        taken = [(place, plain, named) for place, plain, named in compared if named[0] < 400]
        found.append((len(taken) >= 3, [place for place, plain, named in taken if plain != named]))
    assert found == [(True, []), (True, [])]


def test_column_named_in_a_body_is_not_set_on_a_changed_payment(both: list[Flask], writing: list[Place]) -> None:
    moving = [place for place in writing if (place.route.method, place.route.rule) in MOVES]
    wrong = []
    for app, place in product(both, moving):
        hostile = {name: value for name, value in HOSTILE.items() if name not in place.known}
        plain, named = (left_behind(app, place, extra) for extra in ({}, hostile))
        if plain[0] >= 300 or plain != named:
            wrong.append((place, plain, named))
    assert wrong == []
    assert {(place.route.method, place.route.rule) for place in moving} == set(MOVES)


def left_behind(app: Flask, place: Place, extra: Mapping[str, Any]) -> tuple[int, list[str]]:
    """Return the status of a request with more fields than it needs, and the rows of the tables after it."""
    client, deps, route = caller(app), app.extensions["payment_service"], place.route
    empty(deps.database)
    body, names = dict(place.body or {}), {}
    if make := MOVES.get((route.method, route.rule)):
        name = str(make(client))
        names = dict.fromkeys(route.variables, name)
        body |= {field: name for field in body if field in {"transaction_id", "transactionId"}}
    answer = client.open(
        route.path(**names),
        method=route.method,
        json={**extra, **body, "idempotency_key": "one"},
        headers={"Idempotency-Key": "one"},
    )
    assert answer.status_code < 500, (place, answer.text)
    return answer.status_code, sorted(visible(row) for table in TABLES for row in rows(deps, table))


GENERATED = {
    "payment_id", "public_id", "public_reference", "operation_id", "refund_id", "transaction_id", "transaction_log_id",
    "charge_reference",
    "request_id", "payment_intent_id", "reference", "gateway_reference", "gateway_key", "parent_key", "charge_key",
    "fingerprint", "event_id", "key_id", "key_hash", "owner", "leased_until", "request_path", "response_data",
}  # fmt: skip


def visible(row: Mapping[str, object]) -> str:
    """Return a row without generated values; the caller must have set none of them."""
    own = {name for name in row if name in GENERATED or name.endswith(("_at", "_hash"))}
    assert not [name for name in own if str(NUMBER) in str(row[name])], row
    return str({name: value for name, value in row.items() if name not in own})
