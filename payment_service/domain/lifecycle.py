"""The life of a payment as one table: the legal moves of each status, and the status that each leads to.

No other code decides legality. Channels translate the statuses to their own words.
"""

from enum import StrEnum

from payment_service.domain.errors import StateConflict


class Status(StrEnum):
    """The status of a payment. PROCESSING: the gateway is to answer; REQUIRES_ACTION: the customer is to act."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Move(StrEnum):
    """The changes of a payment. Callers ask for the first group, the gateway decides the others."""

    CREATE = "create"
    CHARGE = "charge"
    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    CANCEL = "cancel"
    FAIL = "fail"

    ACTION_REQUIRED = "action_required"
    CHARGED = "charged"
    CHARGE_CANCELLED = "charge_cancelled"
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

    # The caller saw the charge fail and never asks again: the service returns money that is approved later.
    CHARGED_LATE = "charged_late"
    AUTHORIZED_LATE = "authorized_late"
    REVERSED = "reversed"
    HOLD_REVERSED = "hold_reversed"
    REVERSAL_DECLINED = "reversal_declined"
    REVERSAL_FAILED = "reversal_failed"

    # The gateway revises a decision: a refund failed after all, a hold ended, the customer's bank disputes.
    REFUND_REVERSED = "refund_reversed"
    REFUNDS_ALL_REVERSED = "refunds_all_reversed"
    HOLD_EXPIRED = "hold_expired"
    DISPUTED = "disputed"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"


LATE = frozenset({Move.CHARGED_LATE, Move.AUTHORIZED_LATE})
REVERSALS = frozenset({Move.REVERSED, Move.HOLD_REVERSED})
REFUNDS_UNDONE = frozenset({Move.REFUND_REVERSED, Move.REFUNDS_ALL_REVERSED, Move.REVERSAL_FAILED})

_S, _M = Status, Move

LIFECYCLE: dict[tuple[Status | None, Move], Status] = {
    (None, _M.CREATE): _S.PENDING,
    (None, _M.CHARGE): _S.PROCESSING,
    (None, _M.AUTHORIZE): _S.PROCESSING,
    (_S.PENDING, _M.CHARGE): _S.PROCESSING,
    (_S.PENDING, _M.AUTHORIZE): _S.PROCESSING,
    (_S.PENDING, _M.CANCEL): _S.CANCELLED,
    (_S.PENDING, _M.FAIL): _S.FAILED,
    # The customer acts first, and the gateway decides later; the operation stays the same.
    (_S.PROCESSING, _M.ACTION_REQUIRED): _S.REQUIRES_ACTION,
    **{
        (waiting, move): status
        for waiting in (_S.PROCESSING, _S.REQUIRES_ACTION)
        for move, status in {
            _M.CHARGED: _S.CAPTURED,
            _M.CHARGE_DECLINED: _S.FAILED,
            _M.CHARGE_CANCELLED: _S.CANCELLED,
            _M.AUTHORIZED: _S.AUTHORIZED,
            _M.AUTHORIZE_DECLINED: _S.FAILED,
            _M.CHARGED_LATE: _S.PROCESSING,
            _M.AUTHORIZED_LATE: _S.PROCESSING,
        }.items()
    },
    # A capture or void under way holds the payment in PROCESSING, so that no second one can start beside it; a refused
    # one gives the authorization back.
    (_S.AUTHORIZED, _M.CAPTURE): _S.PROCESSING,
    (_S.PROCESSING, _M.CAPTURED): _S.CAPTURED,
    (_S.PROCESSING, _M.CAPTURE_DECLINED): _S.AUTHORIZED,
    (_S.AUTHORIZED, _M.VOID): _S.PROCESSING,
    (_S.PROCESSING, _M.VOIDED): _S.CANCELLED,
    (_S.PROCESSING, _M.VOID_DECLINED): _S.AUTHORIZED,
    # Refunds run side by side, each with its own reservation: the status waits for the gateway's result.
    (_S.CAPTURED, _M.REFUND): _S.CAPTURED,
    (_S.CAPTURED, _M.PARTLY_REFUNDED): _S.PARTIALLY_REFUNDED,
    (_S.CAPTURED, _M.FULLY_REFUNDED): _S.REFUNDED,
    (_S.CAPTURED, _M.REFUND_DECLINED): _S.CAPTURED,
    (_S.PARTIALLY_REFUNDED, _M.REFUND): _S.PARTIALLY_REFUNDED,
    (_S.PARTIALLY_REFUNDED, _M.PARTLY_REFUNDED): _S.PARTIALLY_REFUNDED,
    (_S.PARTIALLY_REFUNDED, _M.FULLY_REFUNDED): _S.REFUNDED,
    (_S.PARTIALLY_REFUNDED, _M.REFUND_DECLINED): _S.PARTIALLY_REFUNDED,
    # A late approval keeps the payment in PROCESSING until its reversal is done; a declined reversal is tried again.
    (_S.PROCESSING, _M.REVERSAL_DECLINED): _S.PROCESSING,
    (_S.PROCESSING, _M.REVERSED): _S.FAILED,
    (_S.PROCESSING, _M.HOLD_REVERSED): _S.FAILED,
    # Approved after the caller saw it fail: the payment keeps its status, and the money goes back.
    **{
        (told, move): told
        for told in (_S.FAILED, _S.CANCELLED)
        for move in (*LATE, *REVERSALS, _M.REVERSAL_DECLINED, _M.REVERSAL_FAILED)
    },
    # A refund that fails after its success was reported gives its amount back to the refundable amount.
    **{
        (refunded, move): status
        for refunded in (_S.PARTIALLY_REFUNDED, _S.REFUNDED)
        for move, status in {
            _M.REFUND_REVERSED: _S.PARTIALLY_REFUNDED,
            _M.REFUNDS_ALL_REVERSED: _S.CAPTURED,
        }.items()
    },
    (_S.AUTHORIZED, _M.HOLD_EXPIRED): _S.CANCELLED,
    # A dispute is written down in any status but PENDING, and no dispute ends for good: a lost one may be won.
    **{
        (status, move): status
        for status in _S
        if status is not _S.PENDING
        for move in (_M.DISPUTED, _M.DISPUTE_WON, _M.DISPUTE_LOST)
    },
    # A repeated cancellation changes nothing.
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
    Move.ACTION_REQUIRED: "payment.action_required",
    Move.CHARGED: "payment.completed",
    Move.CHARGE_CANCELLED: "payment.cancelled",
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
    Move.REVERSAL_FAILED: "payment.refund_reversed",
    Move.REFUND_REVERSED: "payment.refund_reversed",
    Move.REFUNDS_ALL_REVERSED: "payment.refund_reversed",
    Move.HOLD_EXPIRED: "payment.hold_expired",
    Move.DISPUTED: "payment.disputed",
    Move.DISPUTE_WON: "payment.dispute_won",
    Move.DISPUTE_LOST: "payment.dispute_lost",
}


def event_type(move: Move, version: int) -> str:
    """Return the type of the event of a move that led a payment to this version.

    A payment's first event is always `payment.created`: counting payments needs no other.
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
    """Return the status that `move` leads to from `status` (None: no payment exists yet). Raises IllegalMove."""
    try:
        return LIFECYCLE[status, move]
    except KeyError:
        raise IllegalMove(status or Status.PENDING, move) from None


def awaits_customer(status: Status) -> bool:
    """Return whether the customer must act before the gateway decides."""
    return status is Status.REQUIRES_ACTION


def awaits_caller(status: Status) -> bool:
    """Return whether the payment waits for its caller to charge it."""
    return status is Status.PENDING


def allows(status: Status, move: Move) -> bool:
    """Return whether `move` is legal in `status`."""
    return (status, move) in LIFECYCLE
