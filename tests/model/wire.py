"""The model's requests in the words of each caller's document, and the fields of the responses that answer them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.model.facts import Asked, Payment

Body = dict[str, Any]


@dataclass
class Names:
    """The service's names of a payment."""

    number: int
    uuid: str
    transaction: str | None


@dataclass(frozen=True)
class Wire:
    """A request as it is sent."""

    method: str
    path: str
    body: Body | None = None


def wire(asked: Asked, names: Names | None) -> Wire:
    """Return the request of a channel; `names` is what is known of the payment it is about."""
    return CHANNELS[asked.channel](asked, names)


def money(cents: int) -> float:
    return cents / 100


def _with(amount: int | None, **body: Any) -> Body:
    return body if amount is None else body | {"amount": money(amount)}


def _trips(asked: Asked, names: Names | None) -> Wire:
    if names:
        body = _with(asked.amount, idempotency_key=asked.key)
        return Wire("POST", f"/payments/{names.number}/refunds", body)
    body = _with(asked.amount, idempotency_key=asked.key, trip_id=asked.payable, method="CARD")
    return Wire("POST", "/payments", body)


def _bills(asked: Asked, _names: Names | None) -> Wire:
    return Wire("POST", "/v1/payments", _with(asked.amount, bill_id=asked.payable, method="UPI"))


def _orders(asked: Asked, names: Names | None) -> Wire:
    path = "/v1/payments"
    if names is None:
        body = _with(asked.amount, order_id=asked.payable, user_id=601, payment_method="UPI")
        return Wire("POST", f"{path}/charge" if asked.action == "charge" else path, body)
    if asked.action == "refund":
        return Wire("POST", f"{path}/{names.number}/refund", _with(asked.amount, reason="They changed their mind"))
    if asked.action == "cancel" and asked.payable:  # either way leads to the same
        return Wire("DELETE", f"{path}/{names.number}")
    words = {"process": "COMPLETED", "fail": "FAILED", "cancel": "CANCELLED"}
    return Wire("PATCH", f"{path}/{names.number}/status", {"status": words[asked.action]})


def _bookings(asked: Asked, names: Names | None) -> Wire:
    path = "/api/payments"
    if names is None:
        return Wire("POST", path, _with(asked.amount, booking_id=f"BOOK-{asked.payable}"))
    if asked.action in {"process", "refund"}:
        return Wire("POST", f"{path}/{names.uuid}/{asked.action}")
    words = {"fail": "failed", "cancel": "cancelled"}
    return Wire("PATCH", f"{path}/{names.uuid}/status", {"status": words[asked.action]})


def _checkout(asked: Asked, names: Names | None) -> Wire:
    path = "/api/v1/payments"
    if names is None:
        body = _with(asked.amount, order_id=f"ORD-{asked.payable}", payment_method="paypal")
        return Wire("POST", f"{path}/process", body | {"capture": asked.action == "charge"})
    return Wire("POST", f"{path}/{asked.action}", _with(asked.amount, transaction_id=names.transaction))


CHANNELS: Mapping[str, Callable[[Asked, Names | None], Wire]] = {
    "trips": _trips,
    "bills": _bills,
    "orders": _orders,
    "bookings": _bookings,
    "checkout": _checkout,
}

PAYABLES = {"bookings": "BOOK-{}", "checkout": "ORD-{}"}
SHOWN = {
    "trips": "/payments/{0.number}",
    "bills": "/v1/payments/{0.number}",
    "orders": "/v1/payments/{0.number}",
    "bookings": "/api/payments/{0.uuid}",
    "checkout": "/api/v1/payments/payment/{0.uuid}",
}
LISTED = {
    "trips": "/payments",
    "bills": "/v1/payments?skip=0",
    "orders": "/v1/payments?page=1&page_size=100",
    "bookings": "/api/payments?per_page=100",
}

WORDS: Mapping[str, Mapping[str, str]] = {
    "trips": {
        "PROCESSING": "PENDING",
        "REQUIRES_ACTION": "PENDING",
        "CAPTURED": "SUCCESS",
        "PARTIALLY_REFUNDED": "SUCCESS",
    },
    "orders": {"REQUIRES_ACTION": "PROCESSING", "CAPTURED": "COMPLETED", "PARTIALLY_REFUNDED": "COMPLETED"},
    "bookings": {"REQUIRES_ACTION": "processing", "CAPTURED": "completed", "PARTIALLY_REFUNDED": "completed"},
    "checkout": {"REQUIRES_ACTION": "processing"},
}
"""A payment's status in the document's words, where it is not ours."""
LOWER = {"bookings", "checkout"}


def payable_of(payment: Payment) -> str:
    """Return the payable, as the service keeps it."""
    return PAYABLES.get(payment.channel, "{}").format(payment.payable)


def shown(payment: Payment) -> tuple[int, Body]:
    """Return the status of an answer that shows a payment, and what must be in it."""
    if payment.channel == "bills":
        status = {"PROCESSING": 202, "REQUIRES_ACTION": 202, "FAILED": 404}.get(payment.status, 200)
        return status, {"amount": f"{payment.amount / 100:.2f}"} if status != 404 else {}
    word = WORDS[payment.channel].get(payment.status, payment.status)
    body: Body = {"status": word.lower() if payment.channel in LOWER else word}
    body |= {"amount": money(payment.amount), "refunded_amount": money(payment.refunded)}
    return 200, body | ({"captured_amount": money(payment.captured)} if payment.channel == "checkout" else {})


def names_in(body: Any) -> set[str]:
    """Return the ids by which an answer names its payment, in our words."""
    if not isinstance(body, dict):
        return set()
    payment = body.get("payment", body)
    return {str(payment[name]) for name in ("payment_id", "id") if name in payment}
