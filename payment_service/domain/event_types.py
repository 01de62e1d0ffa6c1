"""What each change is called when the world hears of it."""

from payment_service.domain.lifecycle import Move
from payment_service.domain.records import Payment

CREATED = "payment.created"

EVENT_TYPES: dict[Move, str] = {
    Move.CREATE: CREATED,
    Move.CHARGE: "payment.processing",
    Move.AUTHORIZE: "payment.processing",
    Move.CAPTURE: "payment.processing",
    Move.VOID: "payment.processing",
    Move.REFUND: "payment.refund_requested",
    Move.CANCEL: "payment.cancelled",
    Move.FAIL: "payment.failed",
    Move.CHARGED: "payment.completed",
    Move.CHARGE_DECLINED: "payment.failed",
    Move.AUTHORIZED: "payment.authorized",
    Move.AUTHORIZE_DECLINED: "payment.failed",
    Move.CAPTURED: "payment.completed",
    Move.CAPTURE_DECLINED: "payment.capture_declined",
    Move.VOIDED: "payment.cancelled",
    Move.VOID_DECLINED: "payment.void_declined",
    Move.PARTLY_REFUNDED: "payment.refunded",
    Move.FULLY_REFUNDED: "payment.refunded",
    Move.REFUND_DECLINED: "payment.refund_declined",
}


def event_type(move: Move, payment: Payment) -> str:
    """The type of the event of a move that led to `payment` as it stands.

    Whatever a payment begins with, its first event says that it was created: some are charged in the same breath, and
    whoever counts payments need not know which.
    """
    return CREATED if payment.version == 1 else EVENT_TYPES[move]
