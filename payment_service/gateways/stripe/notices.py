"""Stripe's webhooks: checks an event's signature and time, and finds our operations that it is about. Pure functions.

https://docs.stripe.com/webhooks. The check is our own: the library's accepts times in the future and only one secret.
This module ignores the amounts and statuses in an event: the endpoint may have another API version, and older events
may arrive after newer ones.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from payment_service.domain.operations import OperationStatus
from payment_service.gateways.notices import Forged, Notice
from payment_service.gateways.stripe.replies import CAPTURE_KEY, GATEWAY_KEY, VOID_KEY

HEADER, SCHEME = "stripe-signature", "v1"

TOLERANCE = 300.0
"""Seconds between Stripe's time of signing and ours, in either direction."""

KEY_NAMES = (VOID_KEY, CAPTURE_KEY, GATEWAY_KEY)
"""Names of our keys in an object's metadata, the latest operation first."""

PRECEDES_EVERYTHING = "payment_intent.created"
"""Sent for each registration, before money can have moved."""

TOLD = {
    "payment_intent.succeeded": OperationStatus.SUCCEEDED,
    "payment_intent.amount_capturable_updated": OperationStatus.SUCCEEDED,
    "payment_intent.payment_failed": OperationStatus.FAILED,
    "payment_intent.canceled": OperationStatus.FAILED,
    "refund.created": OperationStatus.SUCCEEDED,
}
"""The best outcome that a type can mean: a finished operation with the same outcome is not looked up again."""

_LONGEST_KEY, _LONGEST_TYPE, _LONGEST_ID = 64, 100, 255


def read(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], *, live: bool, now: datetime
) -> Sequence[Notice] | Forged:
    """Return the notices of a request to the webhook, one or none. `live` is our mode."""
    if (reason := _why_forged(headers.get(HEADER, ""), body, secrets, now)) is not None:
        return Forged(reason)
    try:
        content = body.decode()
        event = json.loads(content)
    except (ValueError, RecursionError):
        return Forged("signed, and no JSON")
    if not isinstance(event, dict):
        return Forged("signed, and no event")
    notice = notice_of(event, live=live, content=content)
    if isinstance(notice, Forged):
        return notice
    return () if notice is None else (notice,)


def notice_of(event: Mapping[str, Any], *, live: bool, content: str | None = None) -> Notice | Forged | None:
    """Return an event as notice; None if it is about another kind of object, or about a payment of others."""
    if event.get("livemode") is not live:
        return Forged("an event of the other mode")
    event_id, kind = _text(event, "id", _LONGEST_ID), _text(event, "type", _LONGEST_TYPE)
    created = event.get("created")
    if event_id is None or kind is None or type(created) is not int or not 0 <= created < 2**33:
        return Forged("an event that cannot be read")
    data = event.get("data")
    about = data.get("object") if isinstance(data, dict) else None
    subject = about if isinstance(about, dict) else {}
    keys = _keys(subject)
    if kind == PRECEDES_EVERYTHING or not _is_ours(subject, keys):
        return None
    moment = datetime.fromtimestamp(created, UTC)
    return Notice(event_id, kind, moment, keys, _text(subject, "id", _LONGEST_ID), content)


def _is_ours(subject: Mapping[str, Any], keys: Sequence[str]) -> bool:
    """Return True if an object may be ours: refunds and disputes that others begin have no key of ours.

    Events of charges repeat those of their intents, refunds and disputes. An event without an object is kept for a
    person to see: the endpoint is not set up correctly.
    """
    kind = subject.get("object")
    return not subject or kind in ("refund", "dispute") or (kind == "payment_intent" and bool(keys))


def _keys(subject: Mapping[str, Any]) -> tuple[str, ...]:
    metadata = subject.get("metadata")
    given = metadata if isinstance(metadata, dict) else {}
    return tuple(key for name in KEY_NAMES if (key := _text(given, name, _LONGEST_KEY)) is not None)


def _text(found: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = found.get(name)
    fits = isinstance(value, str) and value.isprintable() and 0 < len(value) <= longest
    return value if isinstance(value, str) and fits else None


def _why_forged(header: str, body: bytes, secrets: Sequence[str], now: datetime) -> str | None:
    """Return the reason why Stripe did not sign these bytes just now; None if one of our secrets fits."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    moments = [value for name, _, value in parts if name == "t"]
    given = [value.encode() for name, _, value in parts if name == SCHEME]
    if len(moments) != 1 or not (moments[0].isascii() and moments[0].isdecimal() and len(moments[0]) < 12) or not given:
        return "no signature, or one that cannot be read"
    signed = b"%s.%s" % (moments[0].encode(), body)
    made = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode() for secret in secrets]
    # Every signature is compared with every secret: while a secret is rolled, Stripe signs with both.
    if not any(hmac.compare_digest(mine, theirs) for mine in made for theirs in given):
        return "not signed by any secret of ours"
    if abs(now.timestamp() - int(moments[0])) > TOLERANCE:
        return f"signed more than {TOLERANCE:.0f} seconds away from now"
    return None
