"""The simulator's side of the protocol: JSON to requests, ledger entries to JSON."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from flask import Response, json

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Declined, GatewayRequest
from simulator.ledger import Entry

_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,4})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_TEXTS = ("gateway_key", "channel", "method")


class BadRequestError(ValueError):
    """The body is no gateway request; the message has the reason."""


def read_request(body: Any) -> GatewayRequest:
    """Return the request in the body of POST /operations. Raises BadRequestError."""
    if not isinstance(body, dict):
        raise BadRequestError("the body is not a JSON object")
    for name in _TEXTS:
        if not isinstance(body.get(name), str) or not 0 < len(body[name]) <= 255:
            raise BadRequestError(f"{name} is not a text")
    parent_key = body.get("parent_key")
    if not isinstance(parent_key, str | None):
        raise BadRequestError("parent_key is not a text")
    if body.get("kind") not in list(Kind):
        raise BadRequestError("kind is not one of the five")
    return GatewayRequest(
        gateway_key=body["gateway_key"],
        kind=Kind(body["kind"]),
        channel=body["channel"],
        amount=Decimal(_matching(body, "amount", _AMOUNT)),
        currency=_matching(body, "currency", _CURRENCY),
        method=body["method"],
        parent_key=parent_key,
    )


def render(entry: Entry, *, lookup: bool) -> Response:
    """Return an entry as a reply; a look-up is always a success (200)."""
    body: dict[str, Any] = {"gateway_key": entry.gateway_key, "kind": entry.kind, "reference": entry.answer.reference}
    match entry.answer:
        case Approved(amount, currency, _, authorization_code):
            body |= {"status": "approved", "amount": format(amount, "f"), "currency": currency}
            return reply(200, body | {"authorization_code": authorization_code})
        case Declined(code, message):
            return reply(200 if lookup else 402, body | {"status": "declined", "code": code, "message": message})
        case _:
            return reply(200 if lookup else 202, body | {"status": "pending"})


def read_moment(text: str | None) -> datetime | None:
    """Return a bound of GET /effects; None without one. Raises BadRequestError."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as fault:
        raise BadRequestError("since and until are moments as ISO 8601 writes them") from fault
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def reply(status: int, body: Any) -> Response:
    """Return a JSON reply."""
    return Response(json.dumps(body), status=status, mimetype="application/json")


def error(status: int, code: str, message: str) -> Response:
    """Return an error reply; it decides no operation."""
    return reply(status, {"status": "error", "code": code, "message": message})


def _matching(body: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    text = body.get(name)
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise BadRequestError(f"{name} does not match the protocol")
    return text
