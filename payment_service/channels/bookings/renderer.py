"""Renders the responses, errors and events of the bookings document."""

from typing import Any

from payment_service.channels.bookings import response_schemas as responses
from payment_service.channels.bookings.response_schemas import STATUS_NAMES
from payment_service.domain.deliveries import Event
from payment_service.domain.errors import DO_NOT_RETRY, PaymentDeclined, RefundDeclined, ServiceError, StateConflict
from payment_service.domain.keys import derived_digits
from payment_service.domain.lifecycle import IllegalMove, Move, Status, awaits_customer, event_type
from payment_service.domain.operations import Kind, OperationStatus
from payment_service.domain.records import PaymentContext, StoredResponse
from payment_service.services.dependencies import ChannelReferences
from payment_service.web.channel import BaseRenderer
from payment_service.web.responses import accepted, answered

MESSAGES = {
    "create": "Payment created successfully",
    "process": "Payment processed successfully",
    "refund": "Payment refunded successfully",
    "status": "Payment status updated",
}


UNDONE = (OperationStatus.FAILED, OperationStatus.REVERSED)


class IllegalChange(StateConflict):
    """The status cannot be changed so"""

    code = IllegalMove.code
    retry = DO_NOT_RETRY

    def __init__(self, current: Status, wanted: str, instead: str = "") -> None:
        name = STATUS_NAMES[current]
        super().__init__(f"Cannot change status from {name} to {wanted}{instead and f': {instead}'}")


class BookingRenderer(BaseRenderer):
    """The renderer of the bookings channel."""

    errors = responses.BookingError()
    status_names = STATUS_NAMES
    gives_references = True

    def answer(self, response_format: str, context: PaymentContext) -> StoredResponse:
        """Return `create`, `process`, `refund` or `status`: 201 or 200, 202 while undecided, 402 for a decline."""
        found: dict[str, Any] = {"payment": context.payment}
        if context.refund is not None:
            found["refund"] = context.refund
        outcome = context.operation.status if context.operation else OperationStatus.SUCCEEDED
        if context.operation is None and awaits_customer(context.payment.status):
            outcome = OperationStatus.PENDING  # a cancel that the gateway has not confirmed
        if outcome in UNDONE or _is_given_back(context):
            error = _decline(context)
            found |= {"error": error.message, "code": error.code, "retry": error.retry}
            return answered(402, responses.DECLINED.dump(found), retry_after=error.retry.after)
        if outcome is OperationStatus.PENDING:
            found["message"] = f"{'Refund' if context.refund else 'Payment'} accepted for processing"
            return accepted(responses.PENDING.dump(found), context.action)
        found["message"] = MESSAGES[response_format]
        return answered(201 if response_format == "create" else 200, responses.CHANGE.dump(found))

    def event(self, move: Move, context: PaymentContext) -> Event:
        """Return the payment as its caller sees it."""
        payment = context.payment
        return Event(
            event_type(move, payment.version), responses.PAYMENT.dump(payment), payment_ref=str(payment.public_id)
        )

    def references(self, gateway_key: str, kind: Kind) -> ChannelReferences:
        """Return `TXN-` and 12 upper-case hexadecimal digits."""
        return ChannelReferences(transaction_id=f"TXN-{derived_digits(gateway_key, 'transaction', 12).upper()}")


def _is_given_back(context: PaymentContext) -> bool:
    """Return True if a charge was approved after its caller got a failure: any other approved charge has an id."""
    operation = context.operation
    is_approved = operation is not None and operation.status is OperationStatus.SUCCEEDED
    return is_approved and context.refund is None and context.payment.transaction_id is None


def _decline(context: PaymentContext) -> ServiceError:
    if context.refund is not None:
        return RefundDeclined(f"Refund declined: {context.failure_message}")
    return PaymentDeclined(context.failure_message, retry=DO_NOT_RETRY)  # another attempt needs another payment
