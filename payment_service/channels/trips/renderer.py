"""Renders the responses, errors and events of the trips document."""

from payment_service import clock
from payment_service.channels.trips import response_schemas as responses
from payment_service.channels.trips.response_schemas import STATUS_NAMES
from payment_service.domain.deliveries import Event, WebhookRequest
from payment_service.domain.errors import RefundDeclined
from payment_service.domain.keys import hash_key
from payment_service.domain.lifecycle import Move, event_type
from payment_service.domain.records import PaymentContext, Refund, StoredResponse
from payment_service.services.commands import PaymentReferences
from payment_service.web.channel import BaseRenderer
from payment_service.web.responses import accepted, answered

NOTIFIED_ON = frozenset({Move.CHARGED, Move.CHARGE_DECLINED, Move.PARTLY_REFUNDED, Move.FULLY_REFUNDED})
"""The moves that the notification service gets: success, failure and refund only."""


class TripRenderer(BaseRenderer):
    """The renderer of the trips channel."""

    errors = responses.TripError()
    status_names = STATUS_NAMES

    def answer(self, response_format: str, context: PaymentContext) -> StoredResponse:
        """Return the response to a `charge` or a `refund`: 200, or 202 while the gateway has not decided."""
        if response_format == "refund" and context.refund is not None:
            return self._refund(context.refund, context)
        payment = context.payment
        if STATUS_NAMES[payment.status] == "PENDING":
            return accepted(responses.PENDING.dump(payment), context.action)
        return answered(200, (responses.DECLINED if payment.failure_code else responses.PAYMENT).dump(payment))

    def _refund(self, refund: Refund, context: PaymentContext) -> StoredResponse:
        if refund.status == "PENDING":
            return accepted(responses.PENDING_REFUND.dump(refund))
        if refund.status == "FAILED":
            return self.refusal(RefundDeclined(f"Refund declined: {context.failure_message}"))
        return answered(200, responses.REFUND.dump(refund))

    def event(self, move: Move, context: PaymentContext) -> Event:
        """Return `{payment_id, trip_id, amount, status, reference}`; a refund's event also has its id and amount."""
        data = responses.EVENT.dump(context.payment)
        if context.refund is not None:
            data |= responses.REFUND_EVENT.dump(context.refund)
        webhook = WebhookRequest("trip_notification", "POST", "/v1/notifications", data)
        webhooks = (webhook,) if move in NOTIFIED_ON else ()
        return Event(event_type(move, context.payment.version), data, webhooks)


def references(key: str) -> tuple[PaymentReferences, ...]:
    """Return `PAY-<day>-<first 8 hex of the key's hash>`, and longer ones for the case that it is taken."""
    day, key_hash = f"PAY-{clock.now():%Y%m%d}", hash_key(key)
    return (
        PaymentReferences(f"{day}-{key_hash[:8]}"),
        PaymentReferences(f"{day}-{key_hash[:12]}"),
        PaymentReferences(f"{day}-{key_hash[:16]}"),
        PaymentReferences(f"{day}-{key_hash}"),
    )
