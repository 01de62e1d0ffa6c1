"""Renders the responses, errors and events of the checkout document."""

from typing import Any

from payment_service.channels.checkout import response_schemas as responses
from payment_service.channels.checkout.style import Style
from payment_service.domain.deliveries import Event
from payment_service.domain.errors import RefundDeclined
from payment_service.domain.keys import derived_digits
from payment_service.domain.lifecycle import LATE, Move, Status, event_type
from payment_service.domain.money import to_number
from payment_service.domain.operations import Kind, OperationStatus
from payment_service.domain.records import PaymentContext, Refund, StoredResponse
from payment_service.services.dependencies import ChannelReferences
from payment_service.web.channel import BaseRenderer
from payment_service.web.responses import accepted, answered

SUCCESSFUL = "payment.successful"
"""This document's event type for captured money; all other channels use "completed"."""
SUCCESSES = frozenset({Move.CHARGED, Move.CAPTURED})
TOO_LATE = "Approved after the answer, and reversed"
_TOO_LATE = {"error": TOO_LATE, "error_message": TOO_LATE}


class CheckoutRenderer(BaseRenderer):
    """The renderer of the checkout channel."""

    errors = responses.CheckoutError()
    gives_references = True
    event_types = dict.fromkeys(SUCCESSES, SUCCESSFUL)

    def answer(self, response_format: str, context: PaymentContext) -> StoredResponse:
        """Return `process`, `capture`, `void` or `refund`, in the style in `response_format`; 202 while undecided."""
        style = Style.of(response_format)
        if context.refund is not None:
            return self._refund(context.refund, context, style)
        is_open = context.payment.status is Status.PROCESSING and responses.is_reversed(context)
        if responses.operation_of(context).status is OperationStatus.PENDING or is_open:
            return accepted(style.dump(responses.PENDING, context), context.action, style.name("next_action"))
        return answered(200, style.dump(responses.RESULT, context))

    def _refund(self, refund: Refund, context: PaymentContext, style: Style) -> StoredResponse:
        if refund.status == "FAILED":
            return self.refusal(RefundDeclined("Failed to process refund"))
        if refund.status == "PENDING":
            return accepted(style.dump(responses.PENDING_REFUND, context))
        return answered(200, style.dump(responses.REFUND, context))

    def event(self, move: Move, context: PaymentContext) -> Event:
        """Return the event in the document's shape of success, failure or refund; other moves have a success's."""
        kind = self.event_types.get(move) or event_type(move, context.payment.version)
        return Event(kind, _event_data(move, context), payment_ref=str(context.payment.public_id))

    def references(self, gateway_key: str, kind: Kind) -> ChannelReferences:
        """Return `txn_` and 16, `pi_` and 24 hexadecimal digits."""
        return ChannelReferences(
            transaction_id=f"txn_{derived_digits(gateway_key, 'transaction', 16)}",
            payment_intent_id=f"pi_{derived_digits(gateway_key, 'intent', 24)}",
        )


def _event_data(move: Move, context: PaymentContext) -> dict[str, Any]:
    payment, refund = context.payment, context.refund
    shared: dict[str, Any] = {"order_id": payment.payable_id, "currency": payment.currency}
    if refund is not None:
        original = to_number(payment.amount)
        about = {"refund_id": refund.public_reference, "amount": to_number(refund.amount), "original_amount": original}
        return shared | about
    if move in LATE:
        return shared | {"amount": to_number(payment.amount), "payment_method": payment.method} | _TOO_LATE
    taken = payment.captured_amount if move in SUCCESSES else payment.amount
    shared |= {"amount": to_number(taken), "payment_method": payment.method}
    if context.operation is not None and context.operation.status is OperationStatus.FAILED:
        return shared | {"error": responses.failure(context), "error_message": responses.failure(context)}
    return shared | {"transaction_id": payment.transaction_id, "payment_intent_id": payment.payment_intent_id}
