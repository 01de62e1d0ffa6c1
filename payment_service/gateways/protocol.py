"""The HTTP gateway's protocol, without the network: requests to JSON, replies to results.

A reply counts only when it is complete: JSON without repeated names, every field of its type, and about the requested
operation. Any other reply is `Unknown`, because a reply that cannot be trusted may hide money that moved. This module
does not correct a complete reply: it returns the gateway's amount and currency even if they differ from the requested
ones. It only cleans the texts of a decline for storage: a decline with a long message is still a decline.

One operation, as the response of POST /operations and GET /operations/{gateway_key}::

    {"gateway_key", "kind", "status": "approved" | "declined" | "pending" | "not_found", "amount": "150.00",
     "currency": "USD", "reference": text or null, "authorization_code": text or null, "code", "message"}
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn

from payment_service.domain.cards import masked
from payment_service.domain.operations import Kind
from payment_service.gateways.base import (
    Approved,
    Declined,
    GatewayRequest,
    GatewayResult,
    NotFound,
    Pending,
    SendResult,
    Unknown,
)
from payment_service.gateways.listed import Entry

TEXT_LIMIT = 255
"""The longest reference, code or message of a gateway: texts of a decline are cut, any other longer text is invalid."""

# The service accepts 12 integer digits; 3 more leave room for a gateway that misplaced a point. No ISO 4217 currency
# has more than four decimals.
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,4})?")
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class Reply:
    """A complete HTTP reply: its status, its uncompressed body, its headers (their names in any case)."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def is_success(self) -> bool:
        """Status 2xx."""
        return 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        """Status 4xx."""
        return 400 <= self.status < 500


@dataclass(frozen=True)
class LedgerPage:
    """A part of the ledger, oldest first; `following` is the cursor of the next part, None at the end."""

    entries: tuple[Entry, ...]
    following: int | None


class UnreadableReplyError(Exception):
    """The gateway's reply does not follow its protocol."""


def encode(gateway_request: GatewayRequest) -> dict[str, str | None]:
    """Return the body of POST /operations; the amount is a text, never a number."""
    return {
        "gateway_key": gateway_request.gateway_key,
        "kind": gateway_request.kind.value,
        "channel": gateway_request.channel,
        "amount": format(gateway_request.amount, "f"),
        "currency": gateway_request.currency,
        "method": gateway_request.method,
        "parent_key": gateway_request.parent_key,
    }


def read_answer(gateway_request: GatewayRequest, reply: Reply) -> SendResult:
    """Return the result of a reply to a send. A refusal is `Declined` only if the body states it in this protocol."""
    try:
        return _answer(gateway_request, _body(reply), reply)
    except UnreadableReplyError as fault:
        return Unknown(str(fault))


def read_finding(gateway_request: GatewayRequest, reply: Reply) -> GatewayResult:
    """Return the result of a reply to a look-up. A bare 404, which any proxy can send, is not "not found"."""
    try:
        body = _body(reply)
        if reply.status == 404 and body.get("status") == "not_found":
            _same(body, "gateway_key", gateway_request.gateway_key)
            return NotFound()
        return _answer(gateway_request, body, reply)
    except UnreadableReplyError as fault:
        return Unknown(str(fault))


def read_ledger(reply: Reply) -> LedgerPage:
    """Return a page of GET /effects. Raises UnreadableReplyError: half a ledger must not pass for a complete one."""
    body = _body(reply)
    rows, following = body.get("effects"), body.get("next")
    if not reply.is_success or not isinstance(rows, list):
        raise UnreadableReplyError(f"HTTP {reply.status} instead of the ledger")
    if following is not None and type(following) is not int:
        raise UnreadableReplyError("next is not a cursor")
    return LedgerPage(tuple(_entry(row) for row in rows), following)


def _body(reply: Reply) -> dict[str, Any]:
    if not (reply.is_success or reply.is_refusal):
        raise UnreadableReplyError(f"HTTP {reply.status}")
    return json_object(reply)


def json_object(reply: Reply) -> dict[str, Any]:
    """Return the body of a reply, of any status. Raises UnreadableReplyError unless it is one unambiguous object."""
    try:
        body = json.loads(reply.body, object_pairs_hook=_unambiguous, parse_constant=_no_number)
    except (ValueError, RecursionError) as fault:
        raise UnreadableReplyError(f"HTTP {reply.status} without readable JSON") from fault
    if not isinstance(body, dict):
        raise UnreadableReplyError(f"HTTP {reply.status} without a JSON object")
    return body


def _answer(gateway_request: GatewayRequest, body: dict[str, Any], reply: Reply) -> Approved | Declined | Pending:
    status = body.get("status")
    if status != "declined" and not (status in ("approved", "pending") and reply.is_success):
        raise UnreadableReplyError(f"HTTP {reply.status} decides nothing")
    _same(body, "gateway_key", gateway_request.gateway_key)
    _same(body, "kind", gateway_request.kind.value)
    if status == "declined":
        return _declined(body)
    reference = _text_or_none(body, "reference")
    if status == "pending":
        return Pending(reference)
    return Approved(_amount(body), _currency(body), reference, _text_or_none(body, "authorization_code"))


def _declined(body: dict[str, Any]) -> Declined:
    """Return a decline. Its texts are for people: they are cleaned and cut, and the code replaces a missing message."""
    code = _words(body, "code")
    if not code:
        raise UnreadableReplyError("code is not a text")
    return Declined(code, _words(body, "message") or code, _words(body, "reference") or None)


def _words(body: dict[str, Any], name: str) -> str:
    """Return a text cleaned for storage; "" if there is none."""
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnreadableReplyError(f"{name} is not a text")
    return one_line(value)


def one_line(text: str) -> str:
    """Return a gateway's text cleaned for storage: one line of at most `TEXT_LIMIT` characters, card numbers masked."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return masked(" ".join(printable.split()))[:TEXT_LIMIT].rstrip()


def _entry(row: Any) -> Entry:
    if not isinstance(row, dict):
        raise UnreadableReplyError("a movement is not a JSON object")
    try:
        kind = Kind(_text(row, "kind"))
        moment = None if row.get("created_at") is None else datetime.fromisoformat(_text(row, "created_at"))
    except ValueError as fault:
        raise UnreadableReplyError("a movement is of no known kind, or of no moment") from fault
    if moment is not None and moment.tzinfo is None:
        raise UnreadableReplyError("created_at names no zone")
    return Entry(
        _text(row, "gateway_key"),
        kind,
        _amount(row),
        _currency(row),
        reference=_text_or_none(row, "reference"),
        created_at=moment and moment.astimezone(UTC),
        parent_key=_text_or_none(row, "parent_key"),
    )


def _same(body: dict[str, Any], name: str, expected: str) -> None:
    if body.get(name) != expected:
        raise UnreadableReplyError(f"the reply speaks of another {name}")


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= TEXT_LIMIT:
        raise UnreadableReplyError(f"{name} is not a text")
    return value


def _text_or_none(body: dict[str, Any], name: str) -> str | None:
    return None if body.get(name) is None else _text(body, name)


def _amount(body: dict[str, Any]) -> Decimal:
    text = body.get("amount")
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
        raise UnreadableReplyError("amount is not a decimal text")
    return Decimal(text)


def _currency(body: dict[str, Any]) -> str:
    text = body.get("currency")
    if not isinstance(text, str) or not _CURRENCY.fullmatch(text):
        raise UnreadableReplyError("currency is not a code")
    return text


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")
