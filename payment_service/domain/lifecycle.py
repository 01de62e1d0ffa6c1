"""The life of a payment as one table: which move is legal in which status, and where it leads.

Nothing else in the program decides legality. Channels translate the statuses to their own words.
"""

from enum import StrEnum

from payment_service.domain.errors import StateConflict


class Status(StrEnum):
    """Where a payment stands. PROCESSING means the gateway has the word, whatever happens to this process."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Move(StrEnum):
    """What can happen to a payment. The first group is asked for by callers, the second is said by the gateway."""

    CREATE = "create"
    CHARGE = "charge"
    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    CANCEL = "cancel"
    FAIL = "fail"

    CHARGED = "charged"
    CHARGE_DECLINED = "charge_declined"
    AUTHORIZED = "authorized"
    AUTHORIZE_DECLINED = "authorize_declined"
    CAPTURED = "captured"
    CAPTURE_DECLINED = "capture_declined"
    VOIDED = "voided"
    VOID_DECLINED = "void_declined"
    PARTLY_REFUNDED = "partly_refunded"
    FULLY_REFUNDED = "fully_refunded"
    REFUND_DECLINED = "refund_declined"

    # The caller was told that the charge failed, and never asks again: what is approved later is given back.
    CHARGED_LATE = "charged_late"
    AUTHORIZED_LATE = "authorized_late"
    REVERSED = "reversed"
    HOLD_REVERSED = "hold_reversed"
    REVERSAL_DECLINED = "reversal_declined"


LATE = frozenset({Move.CHARGED_LATE, Move.AUTHORIZED_LATE})
REVERSALS = frozenset({Move.REVERSED, Move.HOLD_REVERSED})

_S, _M = Status, Move

LIFECYCLE: dict[tuple[Status | None, Move], Status] = {
    (None, _M.CREATE): _S.PENDING,
    (None, _M.CHARGE): _S.PROCESSING,
    (None, _M.AUTHORIZE): _S.PROCESSING,
    (_S.PENDING, _M.CHARGE): _S.PROCESSING,
    (_S.PENDING, _M.AUTHORIZE): _S.PROCESSING,
    (_S.PENDING, _M.CANCEL): _S.CANCELLED,
    (_S.PENDING, _M.FAIL): _S.FAILED,
    (_S.PROCESSING, _M.CHARGED): _S.CAPTURED,
    (_S.PROCESSING, _M.CHARGE_DECLINED): _S.FAILED,
    (_S.PROCESSING, _M.AUTHORIZED): _S.AUTHORIZED,
    (_S.PROCESSING, _M.AUTHORIZE_DECLINED): _S.FAILED,
    # A capture or void under way holds the payment in PROCESSING, so that no second one can start beside it; a refused
    # one gives the authorization back.
    (_S.AUTHORIZED, _M.CAPTURE): _S.PROCESSING,
    (_S.PROCESSING, _M.CAPTURED): _S.CAPTURED,
    (_S.PROCESSING, _M.CAPTURE_DECLINED): _S.AUTHORIZED,
    (_S.AUTHORIZED, _M.VOID): _S.PROCESSING,
    (_S.PROCESSING, _M.VOIDED): _S.CANCELLED,
    (_S.PROCESSING, _M.VOID_DECLINED): _S.AUTHORIZED,
    # Refunds run side by side, each with its own reservation: the status waits for the gateway's word.
    (_S.CAPTURED, _M.REFUND): _S.CAPTURED,
    (_S.CAPTURED, _M.PARTLY_REFUNDED): _S.PARTIALLY_REFUNDED,
    (_S.CAPTURED, _M.FULLY_REFUNDED): _S.REFUNDED,
    (_S.CAPTURED, _M.REFUND_DECLINED): _S.CAPTURED,
    (_S.PARTIALLY_REFUNDED, _M.REFUND): _S.PARTIALLY_REFUNDED,
    (_S.PARTIALLY_REFUNDED, _M.PARTLY_REFUNDED): _S.PARTIALLY_REFUNDED,
    (_S.PARTIALLY_REFUNDED, _M.FULLY_REFUNDED): _S.REFUNDED,
    (_S.PARTIALLY_REFUNDED, _M.REFUND_DECLINED): _S.PARTIALLY_REFUNDED,
    # A late approval keeps the payment in PROCESSING until its reversal is done; a declined reversal is tried again.
    (_S.PROCESSING, _M.CHARGED_LATE): _S.PROCESSING,
    (_S.PROCESSING, _M.AUTHORIZED_LATE): _S.PROCESSING,
    (_S.PROCESSING, _M.REVERSAL_DECLINED): _S.PROCESSING,
    (_S.PROCESSING, _M.REVERSED): _S.FAILED,
    (_S.PROCESSING, _M.HOLD_REVERSED): _S.FAILED,
    # Asked for again, a cancellation changes nothing.
    (_S.CANCELLED, _M.CANCEL): _S.CANCELLED,
    # No money moved for a failed payment: its caller may still file it as cancelled.
    (_S.FAILED, _M.CANCEL): _S.CANCELLED,
}


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
    Move.CHARGED_LATE: "payment.failed",
    Move.AUTHORIZED_LATE: "payment.failed",
    Move.REVERSED: "payment.refunded",
    Move.HOLD_REVERSED: "payment.cancelled",
    Move.REVERSAL_DECLINED: "payment.refund_declined",
}


def event_type(move: Move, version: int) -> str:
    """The type of the event of a move that led a payment to this version.

    A payment's first event is `payment.created`, whatever it begins with: who counts payments needs no other.
    """
    return CREATED if version == 1 else EVENT_TYPES[move]


class IllegalMove(StateConflict):
    """The payment's status does not allow this"""

    code = "illegal_move"

    def __init__(self, status: Status, move: Move) -> None:
        self.payment_status = status
        self.move = move
        super().__init__(f"A payment in status {status} cannot {move.replace('_', ' ')}")


def after(status: Status | None, move: Move) -> Status:
    """The status that `move` leads to from `status` (None: the payment does not exist yet). Raises IllegalMove."""
    try:
        return LIFECYCLE[status, move]
    except KeyError:
        raise IllegalMove(status or Status.PENDING, move) from None


def allows(status: Status, move: Move) -> bool:
    """Whether `move` is legal in `status`."""
    return (status, move) in LIFECYCLE
