"""The effect of a gateway result on a payment, as pure values: its new state and the journal row."""

from dataclasses import replace
from datetime import datetime

from payment_service.domain.lifecycle import Move
from payment_service.domain.operations import CancelReason, Kind, OperationStatus
from payment_service.domain.records import Operation, Payment, PaymentContext, Refund
from payment_service.gateways.base import Approved, Declined
from payment_service.services.dependencies import ChannelReferences
from payment_service.services.transitions import Transition, payment_moved

APPROVALS = {
    Kind.CHARGE: Move.CHARGED,
    Kind.AUTHORIZE: Move.AUTHORIZED,
    Kind.CAPTURE: Move.CAPTURED,
    Kind.VOID: Move.VOIDED,
}


def operation_completed(operation: Operation, result: Approved | Declined, note: str | None) -> Operation:
    """Return the operation as the gateway has decided it. `note` names the person behind a manual resolution."""
    return replace(
        operation,
        status=OperationStatus.SUCCEEDED if isinstance(result, Approved) else OperationStatus.FAILED,
        gateway_reference=result.reference or operation.gateway_reference,
        failure_message=result.message if isinstance(result, Declined) else None,
        review_reason=note,
    )


def payment_after(
    payment: Payment,
    operation: Operation,
    refund: Refund | None,
    result: Approved | Declined,
    references: ChannelReferences,
    at: datetime,
) -> Transition:
    """Apply a completed operation to its payment, and to its refund if it is one."""
    if refund is not None:
        return _refund_completed(payment, operation, refund, result, at)
    if isinstance(result, Declined):
        return _declined(payment, operation, result, at)
    return _approved(payment, operation, result, references, at)


def _approved(
    payment: Payment, operation: Operation, result: Approved, references: ChannelReferences, at: datetime
) -> Transition:
    kind, move, response = operation.kind, APPROVALS[operation.kind], payment.gateway_response
    taken, held = kind in (Kind.CHARGE, Kind.CAPTURE), kind in (Kind.CHARGE, Kind.AUTHORIZE)
    if kind is Kind.CAPTURE or (kind is Kind.CHARGE and not response):  # otherwise keep the caller's text of the charge
        response = "Payment processed successfully"
    moved_payment = replace(
        payment_moved(payment, move, at),
        authorized_amount=operation.amount if held else payment.authorized_amount,
        captured_amount=operation.amount if taken else payment.captured_amount,
        charge_reference=operation.gateway_reference if held else payment.charge_reference,
        hold_expires_at=result.capture_before if kind is Kind.AUTHORIZE else None,
        authorized_at=at if held else payment.authorized_at,
        captured_at=at if taken else payment.captured_at,
        completed_at=at if taken else payment.completed_at,
        transaction_id=payment.transaction_id or references.transaction_id,
        payment_intent_id=payment.payment_intent_id or references.payment_intent_id,
        authorization_code=result.authorization_code or payment.authorization_code,
        failure_code=None,
        gateway_response=response,
    )
    description = f"{kind.capitalize()} approved by the gateway"
    return Transition(move, payment.status, PaymentContext(moved_payment, operation), operation.amount, description)


def action_required(payment: Payment, operation: Operation, at: datetime) -> Transition:
    """Return the transition to a payment that waits for its customer."""
    move = Move.ACTION_REQUIRED
    context = PaymentContext(payment_moved(payment, move, at), operation)
    return Transition(move, payment.status, context, operation.amount, "The customer must authenticate the payment")


def _declined(payment: Payment, operation: Operation, result: Declined, at: datetime) -> Transition:
    is_given_up = operation.cancel_asked is CancelReason.CALLER
    move = Move.CHARGE_CANCELLED if is_given_up else Move(f"{operation.kind}_declined")
    moved_payment = replace(payment_moved(payment, move, at), failure_code=result.code, gateway_response=result.message)
    return Transition(move, payment.status, PaymentContext(moved_payment, operation), operation.amount, result.message)


def _refund_completed(
    payment: Payment, operation: Operation, refund: Refund, result: Approved | Declined, at: datetime
) -> Transition:
    pending = payment.refund_pending_amount - refund.amount
    if isinstance(result, Declined):
        move, refunded, status, message = Move.REFUND_DECLINED, payment.refunded_amount, "FAILED", result.message
    else:
        refunded = payment.refunded_amount + refund.amount
        whole = refunded == payment.captured_amount
        move = Move.FULLY_REFUNDED if whole else Move.PARTLY_REFUNDED
        status, message = "REFUNDED", f"Refund: {refund.reason}" if refund.reason else "Refund processed"
    moved_payment = replace(
        payment_moved(payment, move, at),
        refunded_amount=refunded,
        refund_pending_amount=pending,
        refunded_at=at if isinstance(result, Approved) else payment.refunded_at,
        gateway_response=message,
    )
    context = PaymentContext(moved_payment, operation, replace(refund, status=status, updated_at=at))
    if isinstance(result, Declined):
        return Transition(move, payment.status, context, refund.amount, message)
    return Transition(move, payment.status, context, refund.amount, "Refund processed", refund.reason)
