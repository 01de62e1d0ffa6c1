"""Translates Mollie's objects and errors to the port's results: pure functions of a request and a reply.

The HTTP status of a reply and the object in it decide. An unreadable reply is `Unknown`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from payment_service.domain.operations import Action, Kind
from payment_service.gateways.base import (
    ActionRequired,
    Approved,
    Contradiction,
    Declined,
    GatewayRequest,
    GatewayResult,
    NotFound,
    NotSent,
    Pending,
    Registered,
    RegisterResult,
    Unknown,
)
from payment_service.gateways.mollie.api import Answer, MollieReply
from payment_service.gateways.protocol import TEXT_LIMIT, UnreadableReplyError, one_line

REJECTED, TOO_MANY = frozenset({401, 403}), 429
"""A wrong or restricted API key, or too many requests: nothing was executed."""

GONE = frozenset({404, 410})
REFUSED = frozenset({400, 422})

ALREADY_CAPTURED = Declined("ALREADY_CAPTURED", "The hold was captured")

_ENDED = {
    "failed": ("PAYMENT_FAILED", "The payment failed"),
    "expired": ("PAYMENT_EXPIRED", "The customer did not pay in time"),
    "canceled": ("CANCELED", "The payment was cancelled"),
}
_VALUE = re.compile(r"[0-9]{1,15}(\.[0-9]{1,4})?")
_CURRENCY = re.compile("[A-Z]{3}")

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """A part of a list, newest first; `following` is the id at which the next part begins, None at the end."""

    objects: tuple[Object, ...]
    following: str | None


def undecided(reply: MollieReply) -> NotSent | Unknown | None:
    """Return the result of a reply that decides nothing for any request; None for an object or a refusal."""
    if reply.is_success:
        return None
    told = f"HTTP {reply.status} {_text_or(reply.body, 'title', 'without an error of Mollie')}"
    if reply.body.get("status") != reply.status:
        return Unknown(f"not Mollie's: {told}")
    if reply.status in REJECTED or reply.status == TOO_MANY:
        return NotSent(f"Mollie turned the request away: {told}", rejects_us=reply.status in REJECTED)
    if reply.status in GONE:
        return Contradiction("Mollie does not know the object that this service has from it")
    return None if reply.status in REFUSED else Unknown(f"Mollie answered {told}")


def refusal(reply: MollieReply) -> Declined:
    """Return the decline in an error. Mollie gives no codes, so the field that it names makes one."""
    field = re.sub(r"\W+", "_", _text_or(reply.body, "field", "request")).strip("_")
    return Declined(f"INVALID_{field}".upper()[:64], _text_or(reply.body, "detail", "The payment was refused"))


def registered(reply: MollieReply, *, live: bool) -> RegisterResult:
    """Return the result of a payment's creation. Nothing has moved, so every refusal is final."""
    problem = undecided(reply)
    if problem is not None:
        # The request named no id, so the missing object is not ours.
        return Unknown(problem.reason) if isinstance(problem, Contradiction) else problem
    if not reply.is_success:
        return refusal(reply)
    try:
        return Registered(_text(_checked(reply.body, live), "id"))
    except UnreadableReplyError as fault:
        return Unknown(str(fault))


def of_payment(request: GatewayRequest, payment: Object, *, live: bool) -> GatewayResult:
    """Return the result of a charge, an authorization or a void, as the payment shows it."""
    try:
        found = _checked(payment, live)
        is_void = request.kind is Kind.VOID
        if _text(found, "id") != (request.parent_reference if is_void else request.reference):
            return Unknown("Mollie speaks of another payment")
        result = _voided(found) if is_void else _paid(request, found)
    except UnreadableReplyError as fault:
        return Unknown(str(fault))
    return result or Unknown("Mollie shows the payment in a state that nobody asked for")


def of_part(request: GatewayRequest, part: Object, *, live: bool) -> GatewayResult:
    """Return the result of a capture or a refund, as its own object shows it."""
    is_refund = request.kind is Kind.REFUND
    try:
        reference, status = _text(_checked(part, live, "refund" if is_refund else "capture"), "id"), part.get("status")
        if part.get("paymentId") != request.parent_reference:
            return Unknown("Mollie speaks of another payment")
        if status == ("refunded" if is_refund else "succeeded"):
            return Approved(*money(part, "amount"), reference)
    except UnreadableReplyError as fault:
        return Unknown(str(fault))
    if status in ("pending", "queued", "processing"):
        return Pending(reference)
    if status in ("failed", "canceled"):
        name = request.kind.value
        return Declined(
            f"{name}_{status}".upper(), f"The {name} {status}".replace("canceled", "was canceled"), reference
        )
    return Unknown("Mollie shows a state that nobody asked for")


def page(reply: Answer, name: str) -> Page | NotSent | Unknown:
    """Return a reply as a page of a list of `name`: `payments`, `captures`, `refunds`."""
    if not isinstance(reply, MollieReply):
        return reply
    if (problem := undecided(reply)) is not None:
        return problem
    objects, following = mapping(reply.body, "_embedded").get(name), mapping(reply.body, "_links").get("next")
    if not reply.is_success or not isinstance(objects, list) or not all(isinstance(each, dict) for each in objects):
        return Unknown(f"HTTP {reply.status} instead of a list")
    if following is None:
        return Page(tuple(objects), None)
    # Only the id is taken from the address: a reply must not decide the host of the next request.
    begins = parse_qs(urlsplit(str(mapping(mapping(reply.body, "_links"), "next").get("href"))).query).get("from")
    return Page(tuple(objects), begins[0]) if begins and objects else Unknown("a list that does not end")


def mapping(found: Object, name: str) -> Object:
    """Return the object within an object; an empty one if there is none (`metadata`, `_links`)."""
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def money(found: Object, name: str) -> tuple[Decimal, str]:
    """Return an amount in major units and its currency. Raises UnreadableReplyError."""
    amount = mapping(found, name)
    value, currency = amount.get("value"), amount.get("currency")
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise UnreadableReplyError(f"Mollie shows no readable {name}")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise UnreadableReplyError(f"Mollie shows no readable currency of {name}")
    return Decimal(value), currency


def _paid(request: GatewayRequest, payment: Object) -> GatewayResult | None:
    reference, status, to_hold = _text(payment, "id"), payment.get("status"), request.kind is Kind.AUTHORIZE
    result: GatewayResult | None = None
    if status == "open":
        url = mapping(mapping(payment, "_links"), "checkout").get("href")
        has_url = isinstance(url, str) and url
        result = ActionRequired(reference, Action("redirect", url=url)) if has_url else Pending(reference)
    elif status == "pending":
        result = Pending(reference)
    elif status == "authorized" and not to_hold:
        result = Contradiction("Mollie holds money that was to be charged")
    elif status in ("authorized", "paid"):
        # A captured hold, in part or whole, was at first a hold of the whole amount.
        until = moment(payment.get("captureBefore")) if status == "authorized" else None
        result = Approved(*money(payment, "amount"), reference, capture_before=until)
    elif status in _ENDED:
        code, message = _ENDED[status]
        details = mapping(payment, "details")
        if status == "failed" and (why := details.get("failureReason")):
            code = re.sub(r"\W+", "_", str(why))[:64].upper()
            message = _text_or(details, "failureMessage", message)
        result = Declined(code, message, reference)
    return result


def _voided(payment: Object) -> GatewayResult | None:
    match payment.get("status"):
        case "canceled" | "expired":
            return Approved(*money(payment, "amount"), _text(payment, "id"))
        case "authorized":
            return NotFound()
        case "paid":
            return ALREADY_CAPTURED
    return None


def moment(value: Any) -> datetime | None:
    """Return a time in ISO 8601; None for other values, or without a zone."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None


def _checked(found: Object, live: bool, resource: str = "payment") -> Object:
    if found.get("resource") != resource:
        raise UnreadableReplyError(f"Mollie shows no {resource}")
    if found.get("mode") != ("live" if live else "test"):
        raise UnreadableReplyError("Mollie shows an object of the other mode")
    return found


def _text(found: Object, name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= TEXT_LIMIT:
        raise UnreadableReplyError(f"{name} is not a text")
    return value


def _text_or(found: Object, name: str, otherwise: str) -> str:
    value = found.get(name)
    return (one_line(value) if isinstance(value, str) else "") or otherwise
