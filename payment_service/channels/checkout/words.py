"""How the checkout document words payments, refunds, refusals and events."""

from collections.abc import Mapping
from typing import Any

from payment_service.channels.checkout.style import Style
from payment_service.domain.errors import RefundDeclined, ServiceError
from payment_service.domain.event_types import event_type
from payment_service.domain.lifecycle import IllegalMove, Move, Status
from payment_service.domain.moments import naive_text, naive_text_or_none
from payment_service.domain.money import to_number
from payment_service.domain.operations import Kind, OperationStatus, derived_digits
from payment_service.domain.records import Answer, Event, Facts, Operation, Payment, Refund
from payment_service.services.runtime import ChannelReferences
from payment_service.services.transitions import AmountTooLarge
from payment_service.web.responses import answered, as_detail, refused

ACCEPTED = "accepted for processing"
POLL_AFTER = 2
"""Seconds after which a client may ask for an undecided payment again."""

SUCCESSFUL = "payment.successful"
"""What this document calls money taken; everybody else says completed."""
SUCCESSES = frozenset({Move.CHARGED, Move.CAPTURED})
PARTICIPLES = {Move.REFUND: "refunded", Move.CAPTURE: "captured", Move.VOID: "voided"}


class CheckoutPresenter:
    """The words of the checkout document."""

    shows_trail = False
    gives_references = True
    event_types: Mapping[Move, str] = dict.fromkeys(SUCCESSES, SUCCESSFUL)

    def answer(self, rendering: str, facts: Facts) -> Answer:
        """`process`, `capture`, `void` or `refund`, in the style its name carries."""
        style = Style.of(rendering)
        if facts.refund is not None:
            return self._refund(facts.refund, facts.payment, style)
        operation = _operation(facts)
        body = {
            "success": operation.status is OperationStatus.SUCCEEDED,
            "transaction_id": facts.payment.transaction_id,
            "payment_intent_id": facts.payment.payment_intent_id,
            "status": style.word(facts.payment.status),
            "error": failure(facts),
            "payment_id": str(facts.payment.public_id),
        }
        if operation.status is OperationStatus.PENDING:
            return answered(202, style.written(body | {"message": f"Payment {ACCEPTED}"}), retry_after=POLL_AFTER)
        return answered(200, style.written(body))

    def _refund(self, refund: Refund, payment: Payment, style: Style) -> Answer:
        body = {
            "success": refund.status == "REFUNDED",
            "refund_id": refund.public_reference,
            "amount": to_number(refund.amount),
            "error": None,
        }
        if refund.status == "FAILED":
            return self.refusal(RefundDeclined("Failed to process refund"))
        if refund.status == "PENDING":
            more = {
                "status": style.word(refund.status),
                "payment_id": str(payment.public_id),
                "message": f"Refund {ACCEPTED}",
            }
            return answered(202, style.written(body | more), retry_after=POLL_AFTER)
        return answered(200, style.written(body))

    def refusal(self, error: ServiceError) -> Answer:
        """`{"detail": text}` or the list of faults."""
        if isinstance(error, IllegalMove):
            done = PARTICIPLES.get(error.move, "processed")
            return refused(error, {"detail": f"Payment in status {error.payment_status.lower()} cannot be {done}"})
        if isinstance(error, AmountTooLarge):
            left = to_number(error.details["available"])
            return refused(error, {"detail": f"Amount exceeds what is left ({left})"})
        return as_detail(error)

    def event(self, move: Move, facts: Facts) -> Event:
        """What the document's consumers read of success, failure and refund; other moves tell what a success does."""
        kind = self.event_types.get(move) or event_type(move, facts.payment)
        return Event(kind, _event_data(move, facts), payment_ref=str(facts.payment.public_id))

    def receipt(self, gateway_key: str, kind: Kind) -> ChannelReferences:
        """`txn_` and 16, `pi_` and 24 hexadecimal digits."""
        return ChannelReferences(
            transaction_id=f"txn_{derived_digits(gateway_key, 'transaction', 16)}",
            payment_intent_id=f"pi_{derived_digits(gateway_key, 'intent', 24)}",
        )


def _operation(facts: Facts) -> Operation:
    if facts.operation is None:
        raise ValueError("a checkout is answered about an operation")
    return facts.operation


def failure(facts: Facts) -> str | None:
    """Why the operation did not succeed, in the gateway's words where they are still known."""
    operation, payment = _operation(facts), facts.payment
    if operation.status is not OperationStatus.FAILED:
        return None
    return error_message(payment) or f"Failed to {operation.kind} payment"


def error_message(payment: Payment) -> str | None:
    """The gateway's last refusal, as long as the payment stands where that left it."""
    stands = payment.status in (Status.FAILED, Status.AUTHORIZED)
    return payment.gateway_response if stands and payment.failure_code else None


def _event_data(move: Move, facts: Facts) -> dict[str, Any]:
    payment, refund = facts.payment, facts.refund
    shared: dict[str, Any] = {"order_id": payment.payable_id, "currency": payment.currency}
    if refund is not None:
        original = to_number(payment.amount)
        about = {"refund_id": refund.public_reference, "amount": to_number(refund.amount), "original_amount": original}
        return shared | about
    taken = payment.captured_amount if move in SUCCESSES else payment.amount
    shared |= {"amount": to_number(taken), "payment_method": payment.method}
    if facts.operation is not None and facts.operation.status is OperationStatus.FAILED:
        return shared | {"error": failure(facts), "error_message": failure(facts)}
    return shared | {"transaction_id": payment.transaction_id, "payment_intent_id": payment.payment_intent_id}


def payment_body(payment: Payment, style: Style) -> dict[str, Any]:
    """A payment as the document shows it."""
    return {
        "id": str(payment.public_id),
        "order_id": payment.payable_id,
        "amount": to_number(payment.amount),
        "currency": payment.currency,
        "payment_method": payment.method,
        "status": style.word(payment.status),
        "transaction_id": payment.transaction_id,
        "payment_intent_id": payment.payment_intent_id,
        "provider_response": _provider_response(payment),
        "error_message": error_message(payment),
        "created_at": naive_text(payment.created_at),
        "updated_at": naive_text(payment.updated_at),
        "authorized_at": naive_text_or_none(payment.authorized_at),
        "captured_at": naive_text_or_none(payment.captured_at),
        "refunded_at": naive_text_or_none(payment.refunded_at),
        "captured_amount": to_number(payment.captured_amount),
        "refunded_amount": to_number(payment.refunded_amount),
    }


def _provider_response(payment: Payment) -> dict[str, Any] | None:
    """What the gateway has said last, None before it has said anything."""
    said = {
        "message": payment.gateway_response,
        "code": payment.failure_code,
        "authorization_code": payment.authorization_code,
    }
    return said if any(said.values()) else None
