"""A purged key stays bound to the kind of its payment: a request of another kind under it moves no money."""

from collections.abc import Callable, Mapping

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from payment_service.models import payment_refunds, payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from tests.support import bookers, checkouts, orders
from tests.support.bookers import Booker
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import count, purge_answers, rows
from tests.support.gateways import LedgerGateway

KEY = "one key for everything"

Ask = Callable[[], TestResponse]
Prepare = Callable[[Flask], Ask]
"""Prepare a payment for a request, under other keys, and return the request under KEY."""


def _trip(app: Flask) -> Ask:
    return lambda: pay_trip(app.test_client(), idempotency_key=KEY)


def _refund_of_trip(app: Flask) -> Ask:
    number = trip_id_of(pay_trip(app.test_client(), idempotency_key="the refunded trip", trip_id=102))
    return lambda: refund_trip(app.test_client(), number, idempotency_key=KEY, amount=5)


def _booking(app: Flask) -> Ask:
    return lambda: Booker(app, "ada").create(KEY)


def _process_booking(app: Flask) -> Ask:
    payment_id = Booker(app, "ada").made(booking_id="to be paid")
    return lambda: Booker(app, "ada").process(payment_id, KEY)


def _refund_of_booking(app: Flask) -> Ask:
    payment_id = Booker(app, "ada").paid(booking_id="to be refunded")
    return lambda: Booker(app, "ada").refund(payment_id, KEY)


def _order(app: Flask) -> Ask:
    return lambda: orders.create_order(app.test_client(), KEY, order_id=1)


def _charge_order(app: Flask) -> Ask:
    return lambda: orders.charge_order(app.test_client(), KEY, order_id=2)


def _refund_of_order(app: Flask) -> Ask:
    number = orders.paid(orders.charge_order(app.test_client(), "the refunded order", order_id=3))["payment_id"]
    return lambda: orders.refund_order(app.test_client(), number, KEY, amount=5)


def _checkout(app: Flask) -> Ask:
    return lambda: checkouts.process(app.test_client(), KEY)


def _hold(app: Flask) -> Ask:
    return lambda: checkouts.process(app.test_client(), KEY, capture=False)


def _capture(app: Flask) -> Ask:
    transaction = checkouts.held(app.test_client(), order_id="to be captured")
    return lambda: checkouts.post(app.test_client(), "capture", KEY, transaction_id=transaction)


def _void(app: Flask) -> Ask:
    transaction = checkouts.held(app.test_client(), order_id="to be let go")
    return lambda: checkouts.post(app.test_client(), "void", KEY, transaction_id=transaction)


def _refund_of_checkout(app: Flask) -> Ask:
    transaction = checkouts.paid(app.test_client(), order_id="to be refunded")
    return lambda: checkouts.refund(app.test_client(), transaction, 5.0, KEY)


KINDS: Mapping[str, Mapping[str, Prepare]] = {
    "trips": {"charge": _trip, "refund": _refund_of_trip},
    "bookings": {"create": _booking, "process": _process_booking, "refund": _refund_of_booking},
    "orders": {"create": _order, "charge": _charge_order, "refund": _refund_of_order},
    "checkout": {
        "charge": _checkout,
        "authorize": _hold,
        "capture": _capture,
        "void": _void,
        "refund": _refund_of_checkout,
    },
}
PAIRS = [
    pytest.param(first, second, id=f"{channel}: {one}, then {other}")
    for channel, kinds in KINDS.items()
    for one, first in kinds.items()
    for other, second in kinds.items()
    if first is not second
]
EVERY = [
    pytest.param(prepare, id=f"{channel}: {kind}")
    for channel, kinds in KINDS.items()
    for kind, prepare in kinds.items()
]


def moved(deps: Dependencies, gateway: LedgerGateway) -> tuple[int, int, int]:
    """Return how often the gateway was asked, and how many payments and refunds there are."""
    return len(gateway.sent), count(deps, payments), count(deps, payment_refunds)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_purged_key_of_another_kind_of_request_answers_422(
    app: Flask, deps: Dependencies, gateway: LedgerGateway, first: Prepare, second: Prepare
) -> None:
    make, other = first(app), second(app)
    made = make()
    assert made.status_code in (200, 201), made.text
    before = moved(deps, gateway)
    assert other().status_code == 422, "while its answer is kept"
    purge_answers(deps)
    refused = other()

    assert (refused.status_code, refused.get_json()["code"]) == (422, "idempotency_key_mismatch"), refused.text
    assert refused.get_json()["payment"]["payment_id"] in {row["payment_id"] for row in rows(deps, payments)}
    assert refused.get_json()["retry"]["key"] == "new"
    assert moved(deps, gateway) == before, "never money"
    again = make()
    assert (again.status_code, again.data) == (made.status_code, made.data), "the key is still the first one's"
    assert again.headers["Idempotent-Replayed"] == "true"
    assert not list(verify(deps))


@pytest.mark.parametrize("prepare", EVERY)
def test_repeat_of_a_purged_key_gets_the_same_answer(
    app: Flask, deps: Dependencies, gateway: LedgerGateway, prepare: Prepare
) -> None:
    ask = prepare(app)
    first = ask()
    before = moved(deps, gateway)
    purge_answers(deps)
    repeats = [ask(), ask()]
    assert [(again.status_code, again.data) for again in repeats] == [(first.status_code, first.data)] * 2
    assert [again.headers["Idempotent-Replayed"] for again in repeats] == ["true", "true"]
    assert moved(deps, gateway) == before


def test_mismatch_of_a_purged_key_names_its_payment(app: Flask, deps: Dependencies) -> None:
    number = trip_id_of(pay_trip(app.test_client(), idempotency_key="first"))
    made = trip_id_of(_trip(app)())
    purge_answers(deps)
    refused = refund_trip(app.test_client(), number, idempotency_key=KEY, amount=5)
    assert (refused.status_code, refused.get_json()["payment"]["payment_id"]) == (422, made)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_purged_key_of_a_booking_does_not_finish_another(app: Flask, deps: Dependencies, status: str) -> None:
    ada = Booker(app, "ada")
    made, other = bookers.payment_of(ada.create(KEY), 201), ada.made(booking_id="another")
    purge_answers(deps)
    refused = ada.patch(other, KEY, status=status)
    assert (refused.status_code, refused.get_json()["payment"]["public_id"]) == (422, made["payment_id"])
    assert ada.status(other) == "pending"
