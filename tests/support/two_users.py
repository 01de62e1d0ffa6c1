"""One user with a payment of every kind, in every state that a route can find it in; and everything that is hers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from payment_service.db import metadata
from payment_service.domain.operations import Kind
from payment_service.models import payments
from payment_service.services.dependencies import Dependencies
from tests.support import checkouts
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.database import rows
from tests.support.orders import charge_order, create_order, paid, refund_order

SUBJECT = "ann"
KEY = "ann-refund"
"""The key of Ann's own refunds, for others to try."""

NOTE = "annsnote"
TRIP, BILL, CHARGED, MADE, CUSTOMER = 71001, 71002, 71003, 71004, 71601
BOOKED, PROCESSED, BOUGHT, HELD = "BOOK-ANN/1", "BOOK-ANN-2", "ORD-ANN/1", "ORD-ANN-2"
PAYABLES = (*map(str, (TRIP, BILL, CHARGED, MADE)), BOOKED, PROCESSED, BOUGHT, HELD)


@dataclass(frozen=True)
class Belongings:
    """The ids of Ann's payments, and the values that no other user may ever read."""

    numbers: list[Any]
    uuids: list[Any]
    transactions: list[Any]
    bookings: frozenset[str]
    secrets: frozenset[str]


def make_belongings(app: Flask, deps: Dependencies) -> Belongings:
    """Let Ann pay by every channel: made, charged, held and partly refunded."""
    ann = Booker(app, SUBJECT, email="ann@example.com")
    client: FlaskClient = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = ann.headers["Authorization"]

    trip = trip_id_of(
        pay_trip(client, idempotency_key="ann-trip", trip_id=TRIP, amount=173.31, metadata={"note": NOTE})
    )
    assert refund_trip(client, trip, idempotency_key=KEY, amount=11.47).status_code == 200
    assert pay_bill(client, "ann-bill", bill_id=BILL, amount=174.32).status_code == 201
    order: dict[str, Any] = {"user_id": CUSTOMER, "reference": "ANNS-REF-1"}
    charged = paid(charge_order(client, "ann-order", order_id=CHARGED, amount=175.33, **order))
    assert refund_order(client, charged["payment_id"], KEY, amount=12.48).status_code == 200
    paid(create_order(client, order_id=MADE, amount=176.34, user_id=CUSTOMER, reference="ANNS-REF-2"))
    ann.made(booking_id=BOOKED, amount=177.35)
    ann.paid(booking_id=PROCESSED, amount=178.36)
    bought = checkouts.paid(client, order_id=BOUGHT, amount=179.37)
    assert checkouts.refund(client, bought, 13.49, KEY).status_code == 200
    checkouts.held(client, order_id=HELD, amount=180.38)
    return _belongings(deps)


def _belongings(deps: Dependencies) -> Belongings:
    made = rows(deps, payments)
    assert {row["subject"] for row in made} == {SUBJECT}
    return Belongings(
        numbers=[row["payment_id"] for row in made],
        uuids=[str(row["public_id"]) for row in made],
        transactions=[row["transaction_id"] for row in made if row["transaction_id"]],
        bookings=frozenset(str(row["public_id"]) for row in made if row["channel"] == "bookings"),
        secrets=frozenset(_secrets(deps)) - set(PAYABLES),
    )


NAMES = ("reference", "transaction_id", "payment_intent_id", "authorization_code", "public_id", "public_reference")
KEYS = ("gateway_key", "gateway_reference", "operation_id", "idempotency_hash", "key_hash", "event_id")
AMOUNTS = ("amount", "captured_amount", "refunded_amount", "authorized_amount")


def _secrets(deps: Dependencies) -> set[str]:
    """Return every value of Ann's that names her payment, or its purpose."""
    told = {NOTE, SUBJECT, KEY, str(CUSTOMER)}
    for row in (row for table in metadata.sorted_tables for row in rows(deps, table)):
        told |= {str(row[name]) for name in (*NAMES, *KEYS) if row.get(name)}
        told |= {f"{row[name]:.2f}" for name in AMOUNTS if row.get(name)}
    told |= {f"{row['captured_amount'] - row['refunded_amount']:.2f}" for row in rows(deps, payments)}
    return told


def belonging_to(deps: Dependencies, numbers: list[Any]) -> list[str]:
    """Return every row of every table that is Ann's or about one of her payments, in full."""

    def is_hers(row: Mapping[str, Any]) -> bool:
        by_name = SUBJECT in (row.get("subject"), row.get("auth_user_id"))
        return by_name or row.get("payment_id") in numbers

    found = [(table.name, row) for table in metadata.sorted_tables for row in rows(deps, table) if is_hers(row)]
    return sorted(f"{name}: {row}" for name, row in found)


MOVED = {Kind.CHARGE: 5, Kind.AUTHORIZE: 1, Kind.REFUND: 3}
"""The gateway requests that made Ann's belongings."""
