"""A charge and its refund send nothing but statements that a cluster runs on one machine each."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from payment_service.statements import statements
from tests.crash.proxy import CommitProxy, commit_proxy
from tests.support import checkouts, orders
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip
from tests.support.spread import faults
from tests.support.through_proxy import app_through

PAY: dict[str, Callable[[Flask, int], Any]] = {
    "trips": lambda app, n: pay_trip(app.test_client(), idempotency_key=f"t{n}", trip_id=n),
    "bills": lambda app, n: pay_bill(app.test_client(), key=f"b{n}", bill_id=n),
    "orders": lambda app, n: orders.charge_order(app.test_client(), key=f"o{n}", order_id=n),
    "checkout": lambda app, n: checkouts.process(app.test_client(), key=f"c{n}"),
    "bookings": lambda app, n: Booker(app, "ada").paid(booking_id=f"B{n}"),
    "a refund": lambda app, n: refund(app, pay_trip(app.test_client(), idempotency_key=f"t{n}", trip_id=n)),
}
FRAME = {"BEGIN", "COMMIT", "ROLLBACK", "SELECT pg_backend_pid()", ""}

LOOK_UP = "WHERE public_id = :public_id"
"""The end of the one statement that asks every machine: callers of bookings name a payment by its UUID."""


def refund(app: Flask, paid: Any) -> Any:
    body = {"idempotency_key": "r", "amount": 1}
    return app.test_client().post(f"/payments/{paid.get_json()['payment_id']}/refunds", json=body)


@pytest.fixture
def proxy(lent: Callable[[str], str]) -> Iterator[CommitProxy]:
    with commit_proxy(lent("spread_charges")) as proxy:
        yield proxy


@pytest.fixture
def app(proxy: CommitProxy) -> Iterator[Flask]:
    with app_through(proxy) as app:
        yield app


@pytest.mark.parametrize("kind", sorted(PAY))
def test_charge_sends_statements_that_one_machine_answers(app: Flask, proxy: CommitProxy, kind: str) -> None:
    PAY[kind](app, 1)  # the connection's first statements
    proxy.queries.clear()
    PAY[kind](app, 2)

    sent = [part.strip() for query in proxy.queries for part in _without_texts(query).split(";")]
    names = [name for part in sent for name in re.findall(r"^EXECUTE (\w+)", part)]
    others = {part for part in sent if not part.startswith(("EXECUTE ", "PREPARE "))} - FRAME
    texts = {statements("postgresql")[name].text for name in names} | {_with_names(part) for part in others}
    assert {"claim_key", "insert_journal_row"} <= set(names)
    judged = {text: list(faults(text)) for text in texts if not text.endswith(LOOK_UP)}
    assert {text[-90:]: found for text, found in judged.items() if found} == {}


def _with_names(statement: str) -> str:
    """Return a statement with the name of a column in place of the value that it is compared with."""
    return re.sub(r"\w+\.(\w+) = (?:\d+|'')(?:::\w+)*", r"\1 = :\1", statement)


def _without_texts(query: str) -> str:
    """Return a message without its quoted values, which may contain a semicolon."""
    return re.sub(r"'(?:[^']|'')*'", "''", query)
