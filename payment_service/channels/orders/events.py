"""The requests to the order, inventory and notification services about an order's payment."""

from collections.abc import Mapping
from typing import Any

from payment_service.domain.deliveries import Event, WebhookRequest
from payment_service.domain.lifecycle import Move, event_type
from payment_service.domain.money import to_number, to_text
from payment_service.domain.records import PaymentContext

COMPLETED, FAILED = frozenset({Move.CHARGED, Move.CAPTURED}), frozenset({Move.CHARGE_DECLINED, Move.FAIL})
REFUNDED = frozenset({Move.PARTLY_REFUNDED, Move.FULLY_REFUNDED})
NOTIFIED_ON = COMPLETED | FAILED | REFUNDED | {Move.CANCEL}
"""The moves that the order service gets: only outcomes."""

FIRST_CHANGE = 2
"""The version of a payment cancelled before its charge. A later cancellation only closes a failed payment, of which the
order service knows. By then another payment of the order may have succeeded, and must stay the last news about it.
"""

RELEASE_REASON = {
    Move.CHARGE_DECLINED: "Payment failed",
    Move.FAIL: "Payment failed",
    Move.PARTLY_REFUNDED: "Payment partially refunded",
    Move.FULLY_REFUNDED: "Payment refunded",
}
"""The reason for which the inventory may release its reservation for an order."""


def event_of(move: Move, context: PaymentContext, body: Mapping[str, Any]) -> Event:
    """Return the event of a move; `body` is the payment as its callers see it.

    The payments of one order share an ordering key: consumers get a failed one before the next one that succeeds.
    """
    data = dict(body)
    if context.refund is not None:
        data |= {"refund_id": context.refund.refund_id, "refund_amount": to_number(context.refund.amount)}
    requests = (_order(move, context, body), _inventory(move, body), _notification(move, context, body))
    return Event(
        event_type(move, context.payment.version),
        data,
        webhooks=tuple(each for each in requests if each),
        ordering_key=f"orders:{body['order_id']}",
    )


def _order(move: Move, context: PaymentContext, body: Mapping[str, Any]) -> WebhookRequest | None:
    if move not in NOTIFIED_ON or (move is Move.CANCEL and context.payment.version > FIRST_CHANGE):
        return None
    said = {
        "payment_id": body["payment_id"],
        "payment_status": body["status"],
        # The signed body must name its order, because the path is not signed.
        **{name: body[name] for name in ("order_id", "amount", "currency")},
    }
    return WebhookRequest("order", "PATCH", f"/v1/orders/{body['order_id']}/payment-status", said)


def _inventory(move: Move, body: Mapping[str, Any]) -> WebhookRequest | None:
    if move not in RELEASE_REASON:
        return None
    said = {"order_id": body["order_id"], "reason": RELEASE_REASON[move]}
    return WebhookRequest("inventory", "POST", "/v1/inventory/release", said)


def _notification(move: Move, context: PaymentContext, body: Mapping[str, Any]) -> WebhookRequest | None:
    amount = context.refund.amount if context.refund else context.payment.amount
    money = f"{to_text(amount)} {context.payment.currency} for order {body['order_id']}"
    if move in COMPLETED:
        kind, message = "PAYMENT_SUCCESS", f"Your payment of {money} was successful"
    elif move in FAILED:
        kind, message = "PAYMENT_FAILED", f"Your payment of {money} failed"
    elif move in REFUNDED:
        kind, message = "PAYMENT_REFUNDED", f"{money} has been refunded to you"
    else:
        return None
    said = {"user_id": body["user_id"], "type": kind, "message": message, "channel": "EMAIL"}
    return WebhookRequest("notification", "POST", "/v1/notifications", said)
