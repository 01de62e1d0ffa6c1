"""Reversals: money that was approved after its caller had been told that the charge failed goes back in full.

The caller of such a charge sent no key and never asks again. Its operation is marked TOLD_FALSE at the claim. Only the
owner that made the claim may complete it as captured. Every later owner that learns of an approval writes it down as
late and begins an operation of its own that gives the money back: a refund of a charge, a void of a hold.
"""

from dataclasses import replace
from datetime import datetime

from payment_service import clock
from payment_service.connection import Connection
from payment_service.domain.lifecycle import REVERSALS, Move
from payment_service.domain.operations import Kind, OperationStatus, Purpose
from payment_service.domain.records import Operation, Payment, PaymentContext, Refund
from payment_service.gateways.base import Approved, Declined
from payment_service.repositories import keys, payments
from payment_service.services import transitions
from payment_service.services.claim import Claim
from payment_service.services.commands import KeyScope
from payment_service.services.dependencies import Dependencies
from payment_service.services.persistence import save_changed
from payment_service.services.transitions import Transition, payment_moved

PATH = "reverse/"
"""In place of a request's path, followed by the number of the try: 1 for the first."""

REASON = "Approved after the caller was told that the charge failed"

FIRST_DELAY, LONGEST_DELAY = 60.0, 3600.0
"""Seconds until a declined reversal is tried again: doubling, then every hour."""


def is_late(claim: Claim, result: Approved | Declined) -> bool:
    """Whether an approval comes after the caller of a claim taken over may have been told that the charge failed."""
    return claim.purpose is Purpose.TOLD_FALSE and isinstance(result, Approved)


def complete_late(connection: Connection, deps: Dependencies, claim: Claim, operation: Operation) -> Transition:
    """Write a late approval down and begin its reversal, all in the transaction of the caller."""
    transition = _approved_late(claim.payment, operation, clock.now())
    save_changed(connection, deps, claim.payment, transition, claim.origin)
    _begin(connection, transition.context.payment, 1, 0.0)
    return transition


def complete_reversal(
    connection: Connection, deps: Dependencies, claim: Claim, operation: Operation, result: Approved | Declined
) -> Transition:
    """Write the gateway's decision about a reversal down. A declined one is tried again, under another key."""
    transition = _reversal_completed(claim.payment, operation, claim.refund, result, clock.now())
    save_changed(connection, deps, claim.payment, transition, claim.origin)
    if transition.move not in REVERSALS and claim.taken_over is not None:
        tried = int(claim.taken_over.request_path.removeprefix(PATH))
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(tried - 1, 10))
        _begin(connection, transition.context.payment, tried + 1, delay)
    return transition


def _approved_late(payment: Payment, operation: Operation, at: datetime) -> Transition:
    is_charge = operation.kind is Kind.CHARGE
    move = Move.CHARGED_LATE if is_charge else Move.AUTHORIZED_LATE
    late = replace(
        payment_moved(payment, move, at),
        authorized_amount=operation.amount,
        authorized_at=at,
        captured_amount=operation.amount if is_charge else payment.captured_amount,
        captured_at=at if is_charge else None,
        refund_pending_amount=operation.amount if is_charge else payment.refund_pending_amount,
    )
    description = "Approved after the caller was told that it failed: to be reversed"
    return Transition(move, payment.status, PaymentContext(late, operation), operation.amount, description)


def _reversal_completed(
    payment: Payment, operation: Operation, refund: Refund | None, result: Approved | Declined, at: datetime
) -> Transition:
    status = "FAILED" if isinstance(result, Declined) else "REFUNDED"
    refund = refund and replace(refund, status=status, updated_at=at)
    if isinstance(result, Declined):
        move, description = Move.REVERSAL_DECLINED, result.message
        after = payment_moved(payment, move, at)
    else:
        move, description = Move.REVERSED if refund else Move.HOLD_REVERSED, "Reversed: nothing of it is kept"
        after = replace(
            payment_moved(payment, move, at),
            refunded_amount=payment.captured_amount,
            refund_pending_amount=transitions.ZERO,
            refunded_at=at if refund else None,
            failure_code="reversed",
            gateway_response="Approved too late, and reversed",
        )
    return Transition(move, payment.status, PaymentContext(after, operation, refund), operation.amount, description)


def _begin(connection: Connection, payment: Payment, number: int, delay: float) -> None:
    """Leave the operation to recovery, which finds it in `delay` seconds. Its key grows only after a decline."""
    kind = Kind.REFUND if payment.captured_amount else Kind.VOID
    scope = KeyScope.implied(payment.channel, payment.subject, f"reverse:{payment.public_id}/{number}")
    at = clock.now()
    if kind is Kind.REFUND:
        _, refund_id = payments.lock_for_refund(connection, payment.payment_id)
        refund = _refund(refund_id, payment, scope.key_hash, at)
        payments.insert_refund(connection, refund, payment.channel, payment.subject)
    key_id = keys.insert_reversal(
        connection,
        {
            **vars(scope),
            "request_path": f"{PATH}{number}",
            "response_format": kind,
            "payment_id": payment.payment_id,
            "operation_id": clock.new_id(),
            "kind": kind,
            "amount": payment.authorized_amount,
            "currency": payment.currency,
            "operation_status": OperationStatus.PENDING,
            "gateway_key": scope.gateway_key(kind),
            "parent_key": payment.charge_key,
            "purpose": Purpose.REVERSAL,
            "created_at": at,
        },
    )
    keys.set_timer(connection, key_id, 1, delay)


def _refund(refund_id: int, payment: Payment, key_hash: str, at: datetime) -> Refund:
    return Refund(
        refund_id=refund_id,
        payment_id=payment.payment_id,
        key_hash=key_hash,
        amount=payment.captured_amount,
        status="PENDING",
        reason=REASON,
        public_reference="re_" + clock.new_hex(16),
        created_at=at,
        updated_at=at,
    )
