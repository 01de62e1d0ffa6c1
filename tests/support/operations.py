"""Every operation in the words of its callers, and the response to each outcome."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service.domain.operations import Kind
from tests.support import checkouts
from tests.support.callers import pay_bill, pay_trip, refund_trip, trip_id_of

Ask = Callable[[], TestResponse]


@dataclass(frozen=True)
class Movement:
    """One operation: `prepare` makes the payment that it needs, and returns the request under a key.

    `done` and `declined` are the (HTTP status, payment's status) that the gateway's decision leads to; `under_way` is
    the payment's status until then.
    """

    kind: Kind
    prepare: Callable[[FlaskClient, str], Ask]
    done: tuple[int, str]
    declined: tuple[int, str]
    under_way: str = "PROCESSING"


def _trip(client: FlaskClient, key: str) -> Ask:
    return lambda: pay_trip(client, idempotency_key=key)


def _bill(client: FlaskClient, key: str) -> Ask:
    return lambda: pay_bill(client, key=key)


def _refund_of_trip(client: FlaskClient, key: str) -> Ask:
    payment_id = trip_id_of(pay_trip(client, idempotency_key=f"before {key}"))
    return lambda: refund_trip(client, payment_id, idempotency_key=key, amount=50)


def _hold(client: FlaskClient, key: str) -> Ask:
    return lambda: checkouts.process(client, key, capture=False)


def _capture(client: FlaskClient, key: str) -> Ask:
    transaction_id = checkouts.held(client)
    return lambda: checkouts.post(client, "capture", key, transaction_id=transaction_id)


def _void(client: FlaskClient, key: str) -> Ask:
    transaction_id = checkouts.held(client)
    return lambda: checkouts.post(client, "void", key, transaction_id=transaction_id)


def _refund_of_checkout(client: FlaskClient, key: str) -> Ask:
    transaction_id = checkouts.paid(client)
    return lambda: checkouts.refund(client, transaction_id, 50.0, key)


MOVEMENTS: Mapping[str, Movement] = {
    "trip": Movement(Kind.CHARGE, _trip, (200, "CAPTURED"), (200, "FAILED")),
    "bill": Movement(Kind.CHARGE, _bill, (201, "CAPTURED"), (402, "FAILED")),
    "hold": Movement(Kind.AUTHORIZE, _hold, (200, "AUTHORIZED"), (200, "FAILED")),
    "capture": Movement(Kind.CAPTURE, _capture, (200, "CAPTURED"), (200, "AUTHORIZED")),
    "void": Movement(Kind.VOID, _void, (200, "CANCELLED"), (200, "AUTHORIZED")),
    "refund of a trip": Movement(
        Kind.REFUND, _refund_of_trip, (200, "PARTIALLY_REFUNDED"), (400, "CAPTURED"), under_way="CAPTURED"
    ),
    "refund of a checkout": Movement(
        Kind.REFUND, _refund_of_checkout, (200, "PARTIALLY_REFUNDED"), (400, "CAPTURED"), under_way="CAPTURED"
    ),
}
