"""Stripe's disputes as the port's: pure functions of an object as Stripe shows it now, never of an event.

https://docs.stripe.com/api/disputes. Each is read with its payment intent (`expand`), for our key in its metadata.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from payment_service.domain.disputes import DisputeStatus
from payment_service.gateways.base import Contradiction, NotFound, NotSent, Unknown
from payment_service.gateways.listed import Dispute
from payment_service.gateways.minor import STRIPE
from payment_service.gateways.protocol import UnreadableReplyError, one_line
from payment_service.gateways.stripe.client import Answer
from payment_service.gateways.stripe.replies import GATEWAY_KEY, StripeReply, mapping, text, undecided, word

PREFIXES = ("dp_", "du_")
"""The prefixes of a dispute's id, in both generations of Stripe's."""

STATUSES = {
    "needs_response": DisputeStatus.OPEN,
    "under_review": DisputeStatus.OPEN,
    "warning_needs_response": DisputeStatus.OPEN,
    "warning_under_review": DisputeStatus.OPEN,
    # An inquiry that ended without a chargeback, and a dispute that was resolved before one: nothing is taken.
    "warning_closed": DisputeStatus.WON,
    "prevented": DisputeStatus.WON,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
}


def of_reply(reply: Answer, *, live: bool) -> Dispute | NotFound | NotSent | Unknown:
    """Return the dispute in a reply."""
    if not isinstance(reply, StripeReply):
        return reply
    if (problem := undecided(reply)) is not None:
        return NotFound() if isinstance(problem, Contradiction) else problem
    try:
        return of_object(reply.body, live=live)
    except UnreadableReplyError as fault:
        return Unknown(str(fault))


def of_object(found: Mapping[str, Any], *, live: bool) -> Dispute:
    """Return an object as a dispute. Raises UnreadableReplyError, also for a status that is not known here."""
    if found.get("object") != "dispute" or found.get("livemode") is not live:
        raise UnreadableReplyError("Stripe shows no dispute of this mode")
    status, amount = word(found.get("status")), found.get("amount")
    if status not in STATUSES or type(amount) is not int or amount < 0:
        raise UnreadableReplyError(f"Stripe shows a dispute that cannot be read: {status}")
    currency = text(found, "currency").upper()
    key = mapping(mapping(found, "payment_intent"), "metadata").get(GATEWAY_KEY)
    charge = found.get("charge")
    reason = found.get("reason")
    return Dispute(
        reference=text(found, "id"),
        gateway_key=key if isinstance(key, str) else None,
        charge_reference=charge if isinstance(charge, str) else None,
        amount=STRIPE.to_major(amount, currency),
        currency=currency,
        status=STATUSES[status],
        gateway_status=status,
        reason=one_line(reason) if isinstance(reason, str) else None,
        evidence_due_at=_moment(mapping(found, "evidence_details").get("due_by")),
        withdrawn=_booked(found) < 0,
    )


def _booked(found: Mapping[str, Any]) -> int:
    """Return the sum of the dispute's bookings on the account, in minor units of the settlement currency."""
    bookings = found.get("balance_transactions")
    amounts = [mapping({"each": each}, "each").get("amount") for each in bookings] if isinstance(bookings, list) else []
    return sum(amount for amount in amounts if type(amount) is int)


def _moment(value: Any) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if type(value) is int and 0 < value < 2**33 else None
