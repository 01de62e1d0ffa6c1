"""Rules about a request that no schema can express, applied to a generator's requests."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, cycle
from typing import Any
from urllib.parse import quote, unquote

from flask import Flask
from flask.testing import FlaskClient
from schemathesis import Case

from tests.support.bookers import Booker, payment_of
from tests.support.callers import pay_bill, pay_trip, trip_id_of
from tests.support.checkouts import held, process
from tests.support.orders import charge_order, create_order, paid

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
KEY = "Idempotency-Key"


def existing(app: Flask, booker: Booker) -> dict[str, list[Any]]:
    """Make payments of every kind; return their values for requests, by path and parameter."""
    client: FlaskClient = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = booker.headers["Authorization"]
    order, made = paid(charge_order(client)), paid(create_order(client, order_id=3002))
    checkout = process(client).get_json()
    numbers = [trip_id_of(pay_trip(client, idempotency_key="plausible")), pay_bill(client).get_json()["payment_id"]]
    return {
        "/payments payment_id": [*numbers, order["payment_id"], made["payment_id"]],
        "/payments order_id": [order["order_id"]],
        "/payments transaction_id": [order["transaction_id"]],
        "/api/payments payment_id": [booker.paid(), booker.made(), payment_of(booker.create(), 201)["payment_id"]],
        "/api/payments booking_id": ["BOOK-001"],
        "/api/v1/payments payment_id": [checkout["payment_id"]],
        "/api/v1/payments order_id": ["ORD-1"],
        "/api/v1/payments transaction_id": [checkout["transaction_id"], held(client), held(client)],
        "/idempotency-keys key": ["plausible"],
        "/docs name": ["docs/swagger.js", "docs/icon.svg"],
    }


class Plausible:
    """Gives requests keys of their own and ids of existing objects, and removes values that no caller may send."""

    def __init__(self, there: Mapping[str, Sequence[Any]]) -> None:
        self._there: dict[str, Iterator[Any]] = {place: cycle(values) for place, values in there.items()}
        self._numbers = count(1)

    def make(self, case: "Case[Any]") -> None:
        """Change a request that fits its description into one that fits the service, too."""
        self._path(case)
        # No cursor is one unless it was given out.
        cursors = ("cursor", "before")
        case.query = {name: value for name, value in printable(case.query).items() if name not in cursors}
        if KEY in case.headers:
            case.headers[KEY] = self._key()
        if isinstance(case.body, dict):
            case.body = self._body(printable(case.body))
            if "idempotency_key" in case.body:
                case.headers.pop(KEY, None)
            elif "bill_id" in case.body:
                case.headers[KEY] = self._key()

    def _path(self, case: "Case[Any]") -> None:
        """Point every other request at something that exists."""
        place = re.sub("^(/v1)?(/api/v1/payments|/api/payments|/payments|/idempotency-keys|/docs).*", r"\2", case.path)
        for name, value in case.path_parameters.items():
            if f"{place} {name}" in self._there and next(self._numbers) % 2:
                case.path_parameters[name] = next(self._there[f"{place} {name}"])
            elif isinstance(value, str):
                case.path_parameters[name] = quote(printable(unquote(value)), safe="")

    def _body(self, body: dict[str, Any]) -> dict[str, Any]:
        for name in {"transaction_id", "transactionId"} & body.keys():
            body[name] = next(self._there["/api/v1/payments transaction_id"])
        if "idempotency_key" in body:
            body["idempotency_key"] = self._key()
        if "trip_id" in body:
            body.setdefault("amount", 1)  # there is no trip service to ask for the fare
        if isinstance(body.get("order_id"), int):
            body["order_id"] = 10_000 + next(self._numbers)  # an order is paid once
        body.pop("return_url", None)  # no origin is allowed here
        if "currency" in body:
            body["currency"] = "USD"
        if isinstance(body.get("amount"), float):
            body["amount"] = max(round(body["amount"], 2), 0.01)
        return body

    def _key(self) -> str:
        return f"key-{next(self._numbers)}"


def printable(value: Any) -> Any:
    """Return the same without control characters, which a request may have nowhere, not even in an unknown name."""
    if isinstance(value, str):
        return CONTROL.sub("?", value) or "?"
    if isinstance(value, dict):
        return {printable(name): printable(inner) for name, inner in value.items()}
    return [printable(inner) for inner in value] if isinstance(value, list) else value
