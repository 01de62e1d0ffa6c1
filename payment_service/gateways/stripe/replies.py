"""A reply of Stripe's, and the results that do not depend on the request: pure functions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from payment_service.gateways.base import Contradiction, NotSent, Unknown
from payment_service.gateways.protocol import TEXT_LIMIT, UnreadableReplyError

GATEWAY_KEY, CAPTURE_KEY, VOID_KEY = "gateway_key", "capture_key", "void_key"
"""Names in an object's metadata: the key of the object's operation, and of the capture and void of a hold."""

NOT_FOUND = 404
REJECTED = frozenset({401, 403})
"""A wrong or restricted API key: Stripe executed nothing."""

TOO_MANY = 429
"""Too many requests: Stripe executed nothing."""


@dataclass(frozen=True)
class StripeReply:
    """A reply of Stripe's that is a JSON object; `is_replay`: Stripe stored it for an earlier request under the key."""

    status: int
    body: Mapping[str, Any]
    is_replay: bool = False
    request_id: str | None = None

    @property
    def is_success(self) -> bool:
        """Status 2xx."""
        return 200 <= self.status < 300

    @property
    def is_failure(self) -> bool:
        """Status 5xx: Stripe may or may not have executed it."""
        return self.status >= 500

    @property
    def is_judged(self) -> bool:
        """True if Stripe has examined the request: the reply is an object, or an error about the request."""
        return self.status < 500 and self.status not in (*REJECTED, TOO_MANY)

    @property
    def error(self) -> Mapping[str, Any]:
        """The error in the reply; empty if there is none."""
        return mapping(self.body, "error")

    @property
    def intent(self) -> Mapping[str, Any] | None:
        """The payment intent in the reply, or within its error."""
        found = self.body if self.is_success else mapping(self.error, "payment_intent")
        return found if found.get("object") == "payment_intent" else None


def undecided(reply: StripeReply) -> NotSent | Unknown | None:
    """Return the result of a reply that decides nothing for any request; None for an object or a refusal."""
    if reply.is_success:
        return None
    code = word(reply.error.get("code") or reply.error.get("type"))
    told = f"HTTP {reply.status} {code}"
    if not reply.error or not 400 <= reply.status < 500:
        return Unknown(f"Stripe answered {told}")
    if reply.status in REJECTED or reply.status == TOO_MANY:
        return NotSent(f"Stripe turned the request away: {told}", rejects_us=reply.status in REJECTED)
    if reply.status == NOT_FOUND:
        return Contradiction("Stripe does not know the object that this service has from it")
    if reply.status == 409:
        return Unknown(f"Stripe is at work on the same request: {told}")
    is_other_request = reply.error.get("type") == "idempotency_error"
    return Contradiction("Stripe knows the key with another request") if is_other_request else None


def mapping(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object within an object; an empty one if there is none (`metadata`, `last_payment_error`)."""
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def text(found: Mapping[str, Any], name: str) -> str:
    """Return a text that is present and can be stored. Raises UnreadableReplyError."""
    value = found.get(name)
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= TEXT_LIMIT:
        raise UnreadableReplyError(f"{name} is not a text")
    return value


def word(value: Any) -> str:
    """Return a code of Stripe's as one word; `unknown` for any other value."""
    return value if isinstance(value, str) and re.fullmatch(r"\w{1,64}", value) else "unknown"
