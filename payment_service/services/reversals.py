"""Reversals: money that the gateway approves after its caller saw the charge fail goes back in full.

A caller without a key never asks again: `acquire` marks its operation TOLD_FALSE, and only the owner that made the
claim may complete it as captured. Every later owner that learns of an approval writes it down as late. The same happens
if the gateway approves a charge that it declined before. The owner that writes a late approval down also begins an
operation that returns the money: a refund of a charge, a void of a hold.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from payment_service import clock
from payment_service.connection import Connection
from payment_service.domain.cards import without_card_number
from payment_service.domain.chain import CLAIM, KEY, NO_OPERATION, OPEN_KEY, REFUND, digest
from payment_service.domain.lifecycle import REVERSALS, Move
from payment_service.domain.operations import Kind, OperationStatus, Purpose
from payment_service.domain.principals import GATEWAY, ChangeSource
from payment_service.domain.records import IdempotencyKey, Operation, Payment, PaymentContext, Refund
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
"""Seconds until the worker tries a declined reversal again: doubling, then every hour."""

MOST_TRIES = 5
"""Declined tries, in about half an hour, before a person must look as well. The worker keeps trying."""


def is_late(claim: Claim, result: Approved | Declined) -> bool:
    """Return whether this approval comes too late: the caller may have seen the charge fail."""
    return claim.purpose is Purpose.TOLD_FALSE and isinstance(result, Approved)


def approve_late(
    connection: Connection,
    deps: Dependencies,
    payment: Payment,
    head: str | None,
    operation: Operation,
    origin: ChangeSource,
) -> Transition:
    """Write a late approval down and begin its reversal, in the caller's transaction.

    `head` is the hash of the payment's last journal row.
    """
    transition = _approved_late(payment, operation, clock.now())
    save_changed(connection, deps, payment, head, transition, origin)
    _begin(connection, deps, transition.context.payment, 1, 0.0)
    return transition


def begin_again(
    connection: Connection, deps: Dependencies, payment: Payment, key: IdempotencyKey, transition: Transition
) -> None:
    """Write down that a reversal of this key failed after it had succeeded, and begin the next one."""
    save_changed(connection, deps, payment, payment.journal_hash, transition, GATEWAY)
    _begin(connection, deps, transition.context.payment, _number(key) + 1, FIRST_DELAY)


def complete_reversal(
    connection: Connection, deps: Dependencies, claim: Claim, operation: Operation, result: Approved | Declined
) -> Transition:
    """Write the gateway's decision about a reversal down. After a decline, begin another try under another key."""
    transition = _reversal_completed(claim.payment, operation, claim.refund, result, clock.now())
    save_changed(connection, deps, claim.payment, claim.head, transition, claim.origin)
    if transition.move not in REVERSALS and claim.taken_over is not None:
        tried = _number(claim.taken_over)
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(tried - 1, 10))
        why = f"the gateway has declined {tried} reversals: {transition.description}"
        review = why if tried >= MOST_TRIES else None
        _begin(connection, deps, transition.context.payment, tried + 1, delay, review)
    return transition


def _approved_late(payment: Payment, operation: Operation, at: datetime) -> Transition:
    is_charge = operation.kind is Kind.CHARGE
    move = Move.CHARGED_LATE if is_charge else Move.AUTHORIZED_LATE
    late = replace(
        payment_moved(payment, move, at),
        charge_reference=operation.gateway_reference,
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


def scope_of(channel: str, subject: str, public_id: UUID, request_path: str) -> KeyScope:
    """Return the key scope of a payment's reversal: its key names the payment and the number of the try."""
    return KeyScope.implied(channel, subject, f"reverse:{public_id}/{request_path.removeprefix(PATH)}")


def _number(key: IdempotencyKey) -> int:
    return int(key.request_path.removeprefix(PATH))


def _begin(
    connection: Connection, deps: Dependencies, payment: Payment, number: int, delay: float, review: str | None = None
) -> None:
    """Leave the operation to recovery, which finds it in `delay` seconds. Only a decline makes a new key.

    `review` is the reason for a person to look at it as well.
    """
    kind = Kind.REFUND if payment.captured_amount else Kind.VOID
    scope = scope_of(payment.channel, payment.subject, payment.public_id, f"{PATH}{number}")
    at = clock.now()
    if kind is Kind.REFUND:
        _, refund_id = payments.lock_for_refund(connection, payment.payment_id)
        refund = _refund(refund_id, payment, scope.key_hash, at)
        row_hash = deps.journal.sign(REFUND, vars(refund))
        payments.insert_refund(connection, refund, payment.channel, payment.subject, row_hash)
    row: dict[str, Any] = {
        **vars(scope),
        "request_path": f"{PATH}{number}",
        "response_format": kind,
        "fingerprint": "",
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
        "review_reason": review,
    }
    row["claim_digest"] = digest(CLAIM, row)
    row["row_hash"] = deps.journal.sign(KEY, {**NO_OPERATION, **row, **OPEN_KEY})
    key_id = keys.insert_reversal(connection, row)
    keys.set_timer(connection, key_id, 1, delay)


def _refund(refund_id: int, payment: Payment, key_hash: str, at: datetime) -> Refund:
    return Refund(
        refund_id=refund_id,
        payment_id=payment.payment_id,
        key_hash=key_hash,
        amount=payment.captured_amount,
        status="PENDING",
        reason=REASON,
        public_reference=without_card_number(lambda: "re_" + clock.new_hex(16)),
        created_at=at,
        updated_at=at,
    )
