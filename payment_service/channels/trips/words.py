"""How the trips document words payments, refunds, errors and events."""

from collections.abc import Mapping
from typing import Any

from payment_service import clock
from payment_service.domain.deliveries import Call
from payment_service.domain.errors import Invalid, RefundDeclined, ServiceError
from payment_service.domain.event_types import event_type
from payment_service.domain.lifecycle import IllegalMove, Move, Status
from payment_service.domain.moments import naive_text
from payment_service.domain.money import to_number
from payment_service.domain.operations import Kind
from payment_service.domain.records import Answer, Event, Facts, Payment, Refund
from payment_service.services.commands import PaymentReferences
from payment_service.services.runtime import ChannelReferences
from payment_service.web.responses import answered, as_error_text, refused

WORDS = {
    Status.PENDING: "PENDING",
    Status.PROCESSING: "PENDING",
    Status.AUTHORIZED: "PENDING",
    Status.CAPTURED: "SUCCESS",
    Status.PARTIALLY_REFUNDED: "SUCCESS",
    Status.REFUNDED: "REFUNDED",
    Status.FAILED: "FAILED",
    Status.CANCELLED: "CANCELLED",
}
TOLD = frozenset({Move.CHARGED, Move.CHARGE_DECLINED, Move.PARTLY_REFUNDED, Move.FULLY_REFUNDED})
"""The moves after which the notification service is told: success, failure, refund, and nothing in between."""
ACCEPTED = "Payment accepted for processing"
POLL_AFTER = 2
"""Seconds after which a client may ask for an undecided payment again."""


class TripPresenter:
    """The words of the trips document."""

    shows_trail = False
    gives_references = False
    event_types: Mapping[Move, str] = {}

    def answer(self, rendering: str, facts: Facts) -> Answer:
        """`charge` or `refund`: what the caller of either gets, now or again."""
        if rendering == "refund" and facts.refund is not None:
            return self._refund(facts.refund, facts)
        body = payment_body(facts.payment)
        if body["status"] == "PENDING":
            pending = {name: body[name] for name in ("payment_id", "status", "reference")} | {"message": ACCEPTED}
            return answered(202, pending, retry_after=POLL_AFTER)
        if facts.payment.failure_code:
            body |= {"failure_code": facts.payment.failure_code, "message": facts.payment.gateway_response}
        return answered(200, body)

    def _refund(self, refund: Refund, facts: Facts) -> Answer:
        body = refund_body(refund)
        if refund.status == "PENDING":
            return answered(202, body | {"message": "Refund accepted for processing"}, retry_after=POLL_AFTER)
        if refund.status == "FAILED":
            return self.refusal(RefundDeclined(f"Refund declined: {facts.failure_message}"))
        return answered(200, body)

    def refusal(self, error: ServiceError) -> Answer:
        """`{"error": text}`; missing fields are listed together, in the order of the document."""
        if isinstance(error, IllegalMove):  # the only move its callers ask for
            return refused(error, {"error": f"A payment with status {WORDS[error.payment_status]} cannot be refunded"})
        faults = error.faults if isinstance(error, Invalid) else ()
        missing = [str(fault.loc[-1]) for fault in faults if fault.type == "missing" and len(fault.loc) > 1]
        if missing:
            return refused(error, {"error": f"Missing required fields: {', '.join(missing)}"}, 400)
        return as_error_text(error)

    def event(self, move: Move, facts: Facts) -> Event:
        """`{payment_id, trip_id, amount, status, reference}`, a refund's with its id and amount."""
        body = payment_body(facts.payment)
        data = {name: body[name] for name in ("payment_id", "trip_id", "amount", "status", "reference")}
        if facts.refund is not None:
            data |= {"refund_id": facts.refund.refund_id, "refund_amount": to_number(facts.refund.amount)}
        calls = (Call("trip_notification", "POST", "/v1/notifications", data),) if move in TOLD else ()
        return Event(event_type(move, facts.payment), data, calls)

    def receipt(self, gateway_key: str, kind: Kind) -> ChannelReferences:
        """The trips document knows no other ids than its reference."""
        return ChannelReferences()


def payment_body(payment: Payment) -> dict[str, Any]:
    """A payment as the document shows it."""
    return {
        "payment_id": payment.payment_id,
        "trip_id": int(payment.payable_id),
        "amount": to_number(payment.amount),
        "method": payment.method,
        "status": WORDS[payment.status],
        "reference": payment.reference,
        "created_at": naive_text(payment.created_at),
        "refunded_amount": to_number(payment.refunded_amount),
    }


def refund_body(refund: Refund) -> dict[str, Any]:
    """A refund as the document shows it."""
    return {
        "payment_id": refund.payment_id,
        "refund_id": refund.refund_id,
        "refund_amount": to_number(refund.amount),
        "status": refund.status,
        "timestamp": naive_text(refund.updated_at),
    }


def references(key_hash: str) -> tuple[PaymentReferences, ...]:
    """`PAY-<day>-<first 8 hex of the key's hash>`; where another payment has that, more digits."""
    day = f"{clock.now():%Y%m%d}"
    return tuple(PaymentReferences(f"PAY-{day}-{key_hash[:digits]}") for digits in (8, 12, 16, 20, 64))
