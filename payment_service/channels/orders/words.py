"""How the orders document words payments, their audit trail and its errors."""

import string
from collections.abc import Mapping, Sequence
from typing import Any

from payment_service import clock
from payment_service.channels.orders.events import event_of
from payment_service.domain.errors import PaymentNotFound, RefundDeclined, Refused, ServiceError
from payment_service.domain.lifecycle import IllegalMove, Move, Status
from payment_service.domain.moments import naive_text, naive_text_or_none
from payment_service.domain.money import to_number
from payment_service.domain.operations import Kind
from payment_service.domain.records import Answer, Event, Facts, Payment, TrailEntry
from payment_service.services.commands import PaymentReferences
from payment_service.services.runtime import ChannelReferences
from payment_service.services.transitions import AmountTooLarge, PayableAlreadyPaid
from payment_service.web.responses import answered, as_detail, refused

WORDS = {
    Status.PENDING: "PENDING",
    Status.PROCESSING: "PROCESSING",
    Status.AUTHORIZED: "PROCESSING",
    Status.CAPTURED: "COMPLETED",
    Status.PARTIALLY_REFUNDED: "COMPLETED",
    Status.REFUNDED: "REFUNDED",
    Status.FAILED: "FAILED",
    Status.CANCELLED: "CANCELLED",
}
STATUS_WORDS = tuple(dict.fromkeys(WORDS.values()))
SUCCESSES = {"create": 201, "charge": 201, "change": 200, "refund": 200}
"""The renderings: a payment made, charged, moved by its caller, refunded; and the status of each one's answer."""
POLL_AFTER = 2
"""Seconds after which a client may ask for an undecided payment again."""


class StatusNotSettable(Refused):
    """No caller may set this status"""

    code = IllegalMove.code

    def __init__(self, status: Status, word: str) -> None:
        super().__init__(_no_change(status, word))


class OrderPresenter:
    """The words of the orders document."""

    shows_trail = True
    gives_references = False
    event_types: Mapping[Move, str] = {}

    def answer(self, rendering: str, facts: Facts) -> Answer:
        """The payment with its trail; 202 while the gateway has not decided. A declined charge is an answer, too."""
        body = payment_body(facts.payment, facts.trail)
        refund = facts.refund
        if refund is not None and refund.status == "FAILED":
            return self.refusal(RefundDeclined(f"Refund declined: {facts.failure_message}"))
        if refund is not None and refund.status == "PENDING":
            return answered(202, body | {"message": "Refund accepted for processing"}, retry_after=POLL_AFTER)
        if rendering != "create" and body["status"] == WORDS[Status.PROCESSING]:
            undecided = {"status": WORDS[Status.PENDING], "message": "Payment accepted for processing"}
            return answered(202, body | undecided, retry_after=POLL_AFTER)
        return answered(SUCCESSES[rendering], body)

    def refusal(self, error: ServiceError) -> Answer:
        """`{"detail": text}` in the document's own texts, or the list of faults."""
        if isinstance(error, IllegalMove):
            return refused(error, {"detail": _illegal(error)})
        if isinstance(error, AmountTooLarge):
            return refused(error, {"detail": "Refund amount cannot exceed payment amount"})
        if isinstance(error, PayableAlreadyPaid):
            return refused(error, {"detail": f"Payment for order_id {error.details['payable_id']} already exists"})
        return as_detail(error)

    def event(self, move: Move, facts: Facts) -> Event:
        """The payment without its trail for the brokers, and what each neighbour is told."""
        body = payment_body(facts.payment)
        del body["transactions"]
        return event_of(move, facts, body)

    def receipt(self, gateway_key: str, kind: Kind) -> ChannelReferences:
        """An order's payment is born with its transaction id."""
        return ChannelReferences()


def payment_body(payment: Payment, trail: Sequence[TrailEntry] = ()) -> dict[str, Any]:
    """A payment as the document shows it; in lists its trail is left empty."""
    word = WORDS[payment.status]
    return {
        "payment_id": payment.payment_id,
        "order_id": int(payment.payable_id),
        "user_id": payment.customer_id and int(payment.customer_id),
        "amount": to_number(payment.amount),
        "currency": payment.currency,
        "payment_method": payment.method,
        "status": word,
        "transaction_id": payment.transaction_id,
        "reference": payment.reference,
        "authorization_code": payment.authorization_code,
        # While the gateway is asked there is none, whatever the caller has said with the charge.
        "gateway_response": None if word == WORDS[Status.PROCESSING] else payment.gateway_response,
        "created_at": naive_text(payment.created_at),
        "updated_at": naive_text(payment.updated_at),
        "completed_at": naive_text_or_none(payment.completed_at),
        "captured_at": naive_text_or_none(payment.captured_at),
        "refunded_amount": to_number(payment.refunded_amount),
        # The reservation of a refund is ours alone: its callers know one row for each refund.
        "transactions": [_transaction(entry) for entry in trail if entry.move is not Move.REFUND],
    }


def _transaction(entry: TrailEntry) -> dict[str, Any]:
    declined = entry.move is Move.REFUND_DECLINED  # which leaves the payment's status as it was
    return {
        "transaction_log_id": entry.transaction_log_id,
        "transaction_type": entry.transaction_type,
        "amount": to_number(entry.amount),
        "status": WORDS[Status.FAILED if declined else entry.status],
        "description": entry.description,
        "created_at": naive_text(entry.created_at),
    }


def references(reference: str | None) -> tuple[PaymentReferences, ...]:
    """The caller's reference or a random one, each with a transaction id drawn for it."""
    reference = reference or "REF" + clock.new_text(12, string.ascii_uppercase + string.digits)
    return tuple(PaymentReferences(reference, "TXN" + clock.new_text(10, string.digits)) for _ in range(3))


def no_payment(what: str) -> PaymentNotFound:
    """`Payment 7 not found` and the like."""
    return PaymentNotFound(f"Payment {what} not found")


def _illegal(error: IllegalMove) -> str:
    word = WORDS[error.payment_status]
    match error.move:
        case Move.REFUND | Move.CANCEL:
            return f"Cannot {error.move} payment with status: {word}"
        case Move.FAIL:
            return _no_change(error.payment_status, WORDS[Status.FAILED])
        case _:
            return _no_change(error.payment_status, WORDS[Status.CAPTURED])


def _no_change(status: Status, word: str) -> str:
    money_is_there = WORDS[status] == WORDS[Status.CAPTURED]
    hint = ", use refund endpoint" if money_is_there or word == WORDS[Status.REFUNDED] else ""
    return f"Cannot change status from {WORDS[status]} to {word}{hint}"
