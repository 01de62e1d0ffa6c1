"""Two users and every route: a request with the other user's ids shows and changes nothing of that user's."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service.models import payments
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.database import rows
from tests.support.gateways import LedgerGateway
from tests.support.tokens import bearer
from tests.support.two_users import (
    BILL,
    BOOKED,
    BOUGHT,
    CHARGED,
    CUSTOMER,
    HELD,
    KEY,
    MADE,
    MOVED,
    PAYABLES,
    PROCESSED,
    TRIP,
    Belongings,
    belonging_to,
    make_belongings,
)

Body = Mapping[str, Any]
Route = tuple[str, str]

ID = object()
"""The places of ids in bodies."""


@dataclass(frozen=True)
class Asked:
    """Ben's requests to a route with every one of Ann's ids of a kind (or `ids`); the answer for an unknown id."""

    status: int
    ids: str | tuple[Any, ...]
    bodies: tuple[Body | None, ...] = (None,)
    queries: tuple[str, ...] = ("",)


REFUND_OF_TRIP = Asked(400, "numbers", ({"idempotency_key": KEY}, {"idempotency_key": KEY, "amount": 1}))
ORDERS_WORDS = tuple({"status": word} for word in ("COMPLETED", "FAILED", "CANCELLED", "REFUNDED", "PROCESSING"))
BOOKINGS_WORDS = tuple({"status": word} for word in ("completed", "refunded", "failed", "cancelled", "processing"))
NUMBERED = (TRIP, BILL, CHARGED, MADE)

ASKED: Mapping[Route, Asked] = {
    ("GET", "/payments"): Asked(200, NUMBERED, queries=("", "?trip_id={}", "?limit=100", "?status=SUCCESS")),
    ("GET", "/payments/<payment_id>"): Asked(404, "numbers"),
    ("POST", "/payments/<payment_id>/refunds"): REFUND_OF_TRIP,
    ("GET", "/payments/<payment_id>/refunds"): Asked(404, "numbers"),
    ("GET", "/v1/payments"): Asked(
        200, (*NUMBERED, CUSTOMER), queries=("", "?bill_id={}", "?skip=0", "?user_id={}", "?page=1", "?trip_id={}")
    ),
    ("GET", "/v1/payments/<payment_id>"): Asked(404, "numbers"),
    ("POST", "/v1/payments/<payment_id>/refunds"): REFUND_OF_TRIP,
    ("GET", "/v1/payments/<payment_id>/refunds"): Asked(404, "numbers"),
    ("GET", "/v1/payments/order/<order_id>"): Asked(404, NUMBERED),
    ("GET", "/v1/payments/transaction/<transaction_id>"): Asked(404, "transactions"),
    ("PATCH", "/v1/payments/<payment_id>/status"): Asked(404, "numbers", ORDERS_WORDS),
    ("POST", "/v1/payments/<payment_id>/refund"): Asked(
        404, "numbers", ({"reason": "It is mine"}, {"reason": "It is mine", "amount": 1})
    ),
    ("DELETE", "/v1/payments/<payment_id>"): Asked(404, "numbers"),
    ("GET", "/v1/idempotency-keys"): Asked(404, (KEY, "ann-trip"), queries=("?key={}", "?channel=trips&key={}")),
    ("GET", "/v1/idempotency-keys/<text:key>"): Asked(404, (KEY, "ann-trip"), queries=("", "?channel=trips")),
    ("GET", "/api/payments"): Asked(200, ("unnamed",), queries=("", "?page=1&per_page=100")),
    ("GET", "/api/payments/<payment_id>"): Asked(404, "uuids"),
    ("GET", "/api/payments/booking/<text:booking_id>"): Asked(200, PAYABLES),
    ("POST", "/api/payments/<payment_id>/process"): Asked(404, "uuids"),
    ("POST", "/api/payments/<payment_id>/refund"): Asked(404, "uuids"),
    ("PATCH", "/api/payments/<payment_id>/status"): Asked(404, "uuids", BOOKINGS_WORDS),
    ("POST", "/api/v1/payments/refund"): Asked(400, "transactions", ({"transaction_id": ID, "amount": 1},)),
    ("POST", "/api/v1/payments/capture"): Asked(
        400, "transactions", ({"transaction_id": ID}, {"transactionId": ID, "amount": 1})
    ),
    ("POST", "/api/v1/payments/void"): Asked(400, "transactions", ({"transaction_id": ID},)),
    ("GET", "/api/v1/payments/payment/<payment_id>"): Asked(404, "uuids"),
    ("GET", "/api/v1/payments/transaction/<transaction_id>"): Asked(404, "transactions"),
    ("GET", "/api/v1/payments/order/<text:order_id>"): Asked(404, PAYABLES),
}
"""Every route that finds something, and its answer for an unknown id: an error, or an empty list."""

BOOKINGS = "/api/payments/"
FORBIDDEN = {
    "error": "Unauthorized",
    "code": "forbidden",
    "retry": {"safe": False, "key": None, "after": None},
}
"""Bookings' document distinguishes another user's payment from none, and shows nothing more."""

NOBODYS = {
    "numbers": 999_999_999,
    "uuids": "00000000-0000-4000-8000-000000000000",
    "transactions": "TXN0000000000",
}
NOBODYS_PAYABLE = 999_999_999

A_TRIP = (200, {"trip_id": TRIP, "method": "CARD", "amount": 9.09})
A_BILL = (201, {"bill_id": BILL, "amount": 9.09, "method": "UPI"})
AN_ORDER: Body = {"user_id": CUSTOMER, "amount": 9.09, "payment_method": "UPI"}
ORDERS: list[tuple[int, Body]] = [(400, {"order_id": order, **AN_ORDER}) for order in (CHARGED, MADE)]
PAID: Mapping[Route, list[tuple[int, Body]]] = {
    ("POST", "/payments"): [A_TRIP, A_BILL, *ORDERS],
    ("POST", "/v1/payments"): [A_TRIP, A_BILL, *ORDERS],
    ("POST", "/v1/payments/charge"): ORDERS,
    ("POST", "/api/payments"): [(201, {"booking_id": booking, "amount": 9.09}) for booking in (BOOKED, PROCESSED)],
    ("POST", "/api/v1/payments/process"): [
        (200, {"order_id": order, "amount": 9.09, "payment_method": "paypal", "capture": capture})
        for order, capture in product((BOUGHT, HELD), (True, False))
    ],
}
"""Every route that makes a payment: for the same trip, bill or booking Ben's own, for an order that has one none."""


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """Return the service where every channel needs a token."""
    return make_app(auth_open_channels=frozenset())


@pytest.fixture
def anns(app: Flask) -> Belongings:
    """Return Ann's payments."""
    return make_belongings(app, dependencies_of(app))


@pytest.fixture
def ben(app: Flask) -> FlaskClient:
    """Return a client that sends Ben's token."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = bearer("ben")["Authorization"]
    return client


def routes_of(app: Flask) -> Iterator[Route]:
    """Return every route and method that serves callers with a token; operators see all payments."""
    for rule in app.url_map.iter_rules():
        if app.extensions["access"][rule.endpoint.rpartition(".")[0]].channels:
            yield from ((method, rule.rule) for method in rule.methods or () if method != "OPTIONS")


def described(route: Route) -> Route:
    """Return the route with the rules for this one: HEAD is GET without a body."""
    return ("GET" if route[0] == "HEAD" else route[0], route[1])


def ask(client: FlaskClient, route: Route, sent: Any, body: Body | None = None, query: str = "") -> TestResponse:
    """Make a request with this id in its path, its body or its query, under Ann's own key."""
    path = re.sub("<[^>]+>", quote(str(sent), safe=""), route[1]) + query.format(sent)
    filled = body and {name: sent if value is ID else value for name, value in body.items()}
    return client.open(path, method=route[0], json=filled, headers={"Idempotency-Key": KEY})


def told(answer: TestResponse, sent: Any) -> tuple[int, str, dict[str, str]]:
    """Return an answer without the parts that differ from request to request: its ids, and the requested id."""
    changing = ("X-Request-ID", "X-Correlation-ID", "Content-Length")
    headers = {name: value for name, value in answer.headers.items() if name not in changing}
    return answer.status_code, re.sub(rf"\b{re.escape(str(sent))}\b", "ID", answer.text), headers


def leaks(anns: Belongings, answer: TestResponse, sent: Any) -> set[str]:
    """Return Ann's values in an answer, beyond those in the request."""
    text = f"{answer.text} {answer.headers}"
    return {secret for secret in anns.secrets - {str(sent)} if re.search(rf"\b{re.escape(secret)}\b", text)}


def asked_of(anns: Belongings, route: Route) -> Iterator[tuple[Any, Any, Body | None, str]]:
    """Return an id of Ann's, an unknown one of the same kind, a body and a query: all the requests to a route."""
    asked = ASKED[described(route)]
    mine = getattr(anns, asked.ids) if isinstance(asked.ids, str) else asked.ids
    none = NOBODYS[asked.ids] if isinstance(asked.ids, str) else NOBODYS_PAYABLE
    assert mine, route
    yield from ((sent, none, body, query) for sent, body, query in product(mine, asked.bodies, asked.queries))


def test_every_route_is_covered(app: Flask) -> None:
    there = {(method, rule) for method, rule in routes_of(app) if method != "HEAD"}
    assert there == ASKED.keys() | PAID.keys()
    assert not ASKED.keys() & PAID.keys()


def faults_of(
    ben: FlaskClient, anns: Belongings, route: Route, sent: Any, none: Any, body: Body | None, query: str
) -> list[str]:
    """Return Ann's values in an answer, and the answer itself where it differs from that for an unknown id."""
    answer = ask(ben, route, sent, body, query)
    if sent in anns.bookings and route[1].startswith(BOOKINGS):
        fits = answer.status_code == 403 and (route[0] == "HEAD" or answer.get_json() == FORBIDDEN)
    else:
        unknown = told(ask(ben, route, none, body, query), none)
        fits = told(answer, sent) == unknown and answer.status_code == ASKED[described(route)].status
    return [*leaks(anns, answer, sent), *([] if fits else [f"{sent} {body} {query}: {answer.text}"])]


def test_request_with_the_id_of_another_user_is_answered_like_an_unknown_id(
    app: Flask, deps: Dependencies, ben: FlaskClient, anns: Belongings, gateway: LedgerGateway
) -> None:
    before = belonging_to(deps, anns.numbers)
    found: dict[Route, list[str]] = {}
    for route in sorted(set(routes_of(app)) - PAID.keys()):
        faults = [fault for request in asked_of(anns, route) for fault in faults_of(ben, anns, route, *request)]
        found[route] = faults + ([] if belonging_to(deps, anns.numbers) == before else ["a row has changed"])
    assert found == {key: [] for key in found}
    assert {row["subject"] for row in rows(deps, payments)} == {"ann"}
    assert {kind: gateway.count(kind) for kind in MOVED} == MOVED
    assert len(gateway.sent) == sum(MOVED.values())


def test_payment_for_the_same_payable_belongs_to_its_own_payer(
    deps: Dependencies, ben: FlaskClient, anns: Belongings, gateway: LedgerGateway
) -> None:
    before = belonging_to(deps, anns.numbers)
    hers = {instruction.gateway_key for instruction in gateway.sent}
    requests = [(*route, status, body) for route, orders in PAID.items() for status, body in orders]
    answers, found = [], []
    for number, (method, path, _, body) in enumerate(requests):
        keyed, headers = {**body, "idempotency_key": f"ben-{number}"}, {"Idempotency-Key": f"ben-{number}"}
        answer = ben.open(path, method=method, json=keyed, headers=headers)
        answers.append(answer)
        unchanged = belonging_to(deps, anns.numbers) == before
        found.append((path, answer.status_code, leaks(anns, answer, body.get("user_id")), unchanged))
    assert found == [(path, status, set(), True) for _, path, status, _ in requests]

    refused = [answer.get_json() for answer in answers if answer.status_code == 400]
    orders = [body["order_id"] for _, _, status, body in requests if status == 400]
    assert [body.keys() for body in refused] == [{"detail", "code", "retry"}] * len(orders)
    assert [body["detail"] for body in refused] == [f"Payment for order_id {order} already exists" for order in orders]
    made = [row for row in rows(deps, payments) if row["payment_id"] not in anns.numbers]
    assert [row["subject"] for row in made] == ["ben"] * (len(requests) - len(orders))
    his = [sent for sent in gateway.sent if sent.gateway_key not in hers]
    assert {sent.amount for sent in his} == {made[0]["amount"]}
    assert len(gateway.sent) - len(hers) == len(his)
