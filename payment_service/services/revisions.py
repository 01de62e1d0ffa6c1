"""The changes of a payment after its gateway has revised a result, as pure values.

Legality comes from the lifecycle table alone; nothing here touches a database or a gateway.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from payment_service.domain.disputes import DisputeStatus, PaymentDispute
from payment_service.domain.lifecycle import Move
from payment_service.domain.operations import OperationStatus
from payment_service.domain.records import Operation, Payment, PaymentContext, Refund
from payment_service.gateways.base import Declined
from payment_service.services.transitions import ZERO, Transition, payment_moved

DISPUTE_MOVES = {
    DisputeStatus.OPEN: Move.DISPUTED,
    DisputeStatus.WON: Move.DISPUTE_WON,
    DisputeStatus.LOST: Move.DISPUTE_LOST,
}


def refund_reversed(
    payment: Payment, operation: Operation, refund: Refund, result: Declined, at: datetime
) -> Transition:
    """Return the transition of a refund that failed after it had succeeded: its amount may be refunded again."""
    left = payment.refunded_amount - refund.amount
    move = Move.REFUND_REVERSED if left else Move.REFUNDS_ALL_REVERSED
    moved = replace(
        payment_moved(payment, move, at),
        refunded_amount=left,
        refunded_at=payment.refunded_at if left else None,
        gateway_response=result.message,
    )
    return _undone(payment, moved, operation, refund, result, move, at)


def reversal_failed(
    payment: Payment, operation: Operation, refund: Refund, result: Declined, at: datetime
) -> Transition:
    """Return the transition of a late approval's refund that failed afterwards: the next one holds the amount again."""
    move = Move.REVERSAL_FAILED
    moved = replace(
        payment_moved(payment, move, at),
        refunded_amount=ZERO,
        refund_pending_amount=payment.captured_amount,
        refunded_at=None,
    )
    return _undone(payment, moved, operation, refund, result, move, at)


def _undone(
    payment: Payment, moved: Payment, operation: Operation, refund: Refund, result: Declined, move: Move, at: datetime
) -> Transition:
    undone = replace(
        operation,
        status=OperationStatus.REVERSED,
        gateway_reference=result.reference or operation.gateway_reference,
        failure_message=result.message,
    )
    context = PaymentContext(moved, undone, replace(refund, status="FAILED", updated_at=at))
    return Transition(move, payment.status, context, refund.amount, f"The refund failed later: {result.message}")


def hold_expired(payment: Payment, operation: Operation, at: datetime) -> Transition:
    """Return the transition of a hold that expired at the gateway before a capture or a void."""
    move, description = Move.HOLD_EXPIRED, "The hold has expired"
    moved = replace(payment_moved(payment, move, at), hold_expires_at=None, gateway_response=description)
    return Transition(move, payment.status, PaymentContext(moved, operation), operation.amount, description)


def dispute_moved(
    payment: Payment, dispute: PaymentDispute, all_disputes: Iterable[PaymentDispute], at: datetime
) -> Transition:
    """Return the transition of a new or changed dispute, with the sums of all disputes of the payment, this one too."""
    move = DISPUTE_MOVES[dispute.status]
    disputed, charged_back = dispute_sums(payment, all_disputes)
    moved = replace(payment_moved(payment, move, at), disputed_amount=disputed, charged_back_amount=charged_back)
    description = f"Dispute {dispute.reference}: {dispute.gateway_status}"
    return Transition(move, payment.status, PaymentContext(moved, dispute=dispute), dispute.amount, description)


def dispute_sums(payment: Payment, disputes: Iterable[PaymentDispute]) -> tuple[Decimal, Decimal]:
    """Return the disputed and the charged back amount, without disputes in another currency: a person judges those."""
    sums = dict.fromkeys(DisputeStatus, ZERO)
    for dispute in disputes:
        if dispute.currency == payment.currency:
            sums[dispute.status] += dispute.amount
    return sums[DisputeStatus.OPEN], sums[DisputeStatus.LOST]
