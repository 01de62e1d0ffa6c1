"""How the bookings document words payments, refusals and events."""

from collections.abc import Mapping
from typing import Any

from payment_service.domain.errors import NEVER, Invalid, PaymentDeclined, RefundDeclined, Refused, ServiceError
from payment_service.domain.event_types import event_type
from payment_service.domain.lifecycle import IllegalMove, Move, Status
from payment_service.domain.moments import naive_text
from payment_service.domain.money import to_number
from payment_service.domain.operations import Kind, OperationStatus, derived_digits
from payment_service.domain.records import Answer, Event, Facts, Payment, Refund
from payment_service.services.runtime import ChannelReferences
from payment_service.services.transitions import AmountTooLarge
from payment_service.web.responses import answered, as_error_text, refused

WORDS = {
    Status.PENDING: "pending",
    Status.PROCESSING: "processing",
    Status.AUTHORIZED: "processing",
    Status.CAPTURED: "completed",
    Status.PARTIALLY_REFUNDED: "completed",
    Status.FAILED: "failed",
    Status.REFUNDED: "refunded",
    Status.CANCELLED: "cancelled",
}
UNSPECIFIED = "unspecified"
"""The method of a payment whose caller named none; it is shown as null."""

MESSAGES = {
    "create": "Payment created successfully",
    "process": "Payment processed successfully",
    "refund": "Payment refunded successfully",
    "status": "Payment status updated",
}
POLL_AFTER = 2
"""Seconds after which a client may ask for an undecided payment again."""

_NOT_A_NUMBER = frozenset({"decimal_parsing", "decimal_type"})


class IllegalChange(Refused):
    """The status cannot be changed so"""

    code = IllegalMove.code
    retry = NEVER

    def __init__(self, current: Status, wanted: str, instead: str = "") -> None:
        super().__init__(f"Cannot change status from {WORDS[current]} to {wanted}{instead and f': {instead}'}")


class BookingPresenter:
    """The words of the bookings document."""

    shows_trail = False
    gives_references = True
    event_types: Mapping[Move, str] = {}

    def answer(self, rendering: str, facts: Facts) -> Answer:
        """`create`, `process`, `refund` or `status`: 201 or 200, 202 while undecided, 402 for a decline."""
        body: dict[str, Any] = {"payment": payment_body(facts.payment)}
        if facts.refund is not None:
            body["refund"] = _refund_body(facts.refund)
        outcome = facts.operation.status if facts.operation else OperationStatus.SUCCEEDED
        if outcome is OperationStatus.FAILED:
            error = _decline(facts)
            return refused(error, {"error": error.message, **body}, 402)
        if outcome is OperationStatus.PENDING:
            what = "Refund" if facts.refund else "Payment"
            return answered(202, {"message": f"{what} accepted for processing", **body}, retry_after=POLL_AFTER)
        return answered(201 if rendering == "create" else 200, {"message": MESSAGES[rendering], **body})

    def refusal(self, error: ServiceError) -> Answer:
        """`{"error": text}`; of several faults only the first, as the document judges field by field."""
        if isinstance(error, IllegalMove | AmountTooLarge):
            return refused(error, {"error": _reason(error)})
        if isinstance(error, Invalid):
            first = error.faults[0]
            is_no_number = first.loc[-1] == "amount" and first.type in _NOT_A_NUMBER
            return refused(error, {"error": "Invalid amount" if is_no_number else first.msg}, 400)
        return as_error_text(error)

    def event(self, move: Move, facts: Facts) -> Event:
        """The payment as its caller sees it."""
        return Event(
            event_type(move, facts.payment), payment_body(facts.payment), payment_ref=str(facts.payment.public_id)
        )

    def receipt(self, gateway_key: str, kind: Kind) -> ChannelReferences:
        """`TXN-` and 12 upper-case hexadecimal digits."""
        return ChannelReferences(transaction_id=f"TXN-{derived_digits(gateway_key, 'transaction', 12).upper()}")


def _decline(facts: Facts) -> ServiceError:
    said = facts.failure_message
    if facts.refund is not None:
        return RefundDeclined(f"Refund declined: {said}")
    return PaymentDeclined(said, retry=NEVER)  # a declined payment is over; another try is another payment


def _reason(error: IllegalMove | AmountTooLarge) -> str:
    if isinstance(error, AmountTooLarge):
        return "A refund of this payment is already under way"
    word = WORDS[error.payment_status]
    reasons = {
        Move.CHARGE: f"Payment already {word}",
        Move.REFUND: "Only completed payments can be refunded",
        Move.FAIL: f"Cannot change status from {word} to failed",
        Move.CANCEL: f"Cannot change status from {word} to cancelled",
    }
    return reasons.get(error.move, error.message)


def payment_body(payment: Payment) -> dict[str, Any]:
    """A payment as the document shows it; one that failed also tells why."""
    body = {
        "payment_id": str(payment.public_id),
        "user_id": payment.subject,
        "booking_id": payment.payable_id,
        "amount": to_number(payment.amount),
        "currency": payment.currency,
        "status": WORDS[payment.status],
        "payment_method": None if payment.method == UNSPECIFIED else payment.method,
        "transaction_ref": payment.transaction_id,
        "created_at": naive_text(payment.created_at),
        "updated_at": naive_text(payment.updated_at),
        "refunded_amount": to_number(payment.refunded_amount),
    }
    if payment.failure_code is not None:
        body |= {"failure_code": payment.failure_code, "failure_message": payment.gateway_response}
    return body


def _refund_body(refund: Refund) -> dict[str, Any]:
    return {
        "refund_id": refund.public_reference,
        "amount": to_number(refund.amount),
        "status": refund.status.lower(),
        "created_at": naive_text(refund.created_at),
    }
