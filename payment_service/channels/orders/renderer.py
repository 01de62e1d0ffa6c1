"""Renders the responses, errors and events of the orders document."""

import string
from collections.abc import Sequence
from typing import Any

from marshmallow import Schema

from payment_service import clock
from payment_service.channels.orders import response_schemas as responses
from payment_service.channels.orders.events import event_of
from payment_service.channels.orders.response_schemas import STATUS_NAMES
from payment_service.domain.deliveries import Event
from payment_service.domain.errors import PaymentNotFound, RefundDeclined, StateConflict
from payment_service.domain.lifecycle import IllegalMove, Move, Status
from payment_service.domain.records import AuditEntry, Payment, PaymentContext, StoredResponse
from payment_service.services.commands import PaymentReferences
from payment_service.web.channel import BaseRenderer
from payment_service.web.responses import accepted, answered

SUCCESSES = {"create": 201, "charge": 201, "change": 200, "refund": 200}
"""Response format → status: a payment created, charged, changed by its caller, refunded."""


UNTOLD = frozenset({Move.REFUND, Move.DISPUTED, Move.DISPUTE_WON, Move.DISPUTE_LOST})
"""Changes that the trail does not show."""


class StatusNotSettable(StateConflict):
    """No caller may set this status"""

    code = IllegalMove.code

    def __init__(self, status: Status, name: str) -> None:
        super().__init__(responses.no_change(status, name))


class OrderRenderer(BaseRenderer):
    """The renderer of the orders channel."""

    shows_trail = True
    errors = responses.OrderError()
    status_names = STATUS_NAMES

    def answer(self, response_format: str, context: PaymentContext) -> StoredResponse:
        """Return the payment with its trail, also after a declined charge; 202 while the gateway has not decided."""
        payment, refund = context.payment, context.refund
        if refund is not None and refund.status == "FAILED":
            return self.refusal(RefundDeclined(f"Refund declined: {context.failure_message}"))
        if refund is not None and refund.status == "PENDING":
            return accepted(with_trail(payment, context.trail, responses.PENDING_REFUND))
        if response_format != "create" and STATUS_NAMES[payment.status] == STATUS_NAMES[Status.PROCESSING]:
            return accepted(with_trail(payment, context.trail, responses.PENDING), context.action)
        return answered(SUCCESSES[response_format], with_trail(payment, context.trail))

    def event(self, move: Move, context: PaymentContext) -> Event:
        """Return the payment without its trail for the brokers, and the requests to each downstream service."""
        return event_of(move, context, responses.EVENT.dump(context.payment))


def with_trail(payment: Payment, trail: Sequence[AuditEntry], schema: Schema = responses.PAYMENT) -> dict[str, Any]:
    """Return a payment with its audit trail. It has one row for each refund, not the row that reserves its amount.

    The document has no word for a dispute, which does not change the order's money.
    """
    body: dict[str, Any] = schema.dump(payment)
    body["transactions"] = responses.TRANSACTIONS.dump([entry for entry in trail if entry.move not in UNTOLD])
    return body


def references(reference: str | None) -> tuple[PaymentReferences, ...]:
    """Return the caller's reference or a random one, three times, each with a new random transaction id."""
    reference = reference or "REF" + clock.new_text(12, string.ascii_uppercase + string.digits)
    return tuple([PaymentReferences(reference, "TXN" + clock.new_text(10, string.digits)) for _ in range(3)])


def no_payment(what: str) -> PaymentNotFound:
    """Return the error with the text `Payment 7 not found` or similar."""
    return PaymentNotFound(f"Payment {what} not found")
