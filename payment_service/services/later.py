"""Changes after the answer: the service looks a finished operation up again, and the look-up alone decides.

A refund that succeeded may fail days later, a hold may end on its own, and the gateway may approve a charge that it
declined before. A notice or a difference found by reconciliation is a reason to look, and evidence of nothing. The
stored response of the operation's key stays as it was sent; reading the payment shows how it stands.
"""

from dataclasses import replace
from enum import StrEnum

import structlog

from payment_service import clock
from payment_service.connection import Connection
from payment_service.domain.lifecycle import Move, allows
from payment_service.domain.operations import Kind, OperationStatus, Purpose
from payment_service.domain.principals import GATEWAY
from payment_service.domain.records import IdempotencyKey, Operation, Payment
from payment_service.gateways.base import Approved, Declined, GatewayResult, NotFound
from payment_service.repositories import key_lookups, keys, payments, timers
from payment_service.services import disputes, reversals
from payment_service.services.chaining import key_row_hash
from payment_service.services.claim import find_refund, payment_of
from payment_service.services.dependencies import Dependencies
from payment_service.services.gateway_calls import gateway_request_for, look_up
from payment_service.services.persistence import save_changed
from payment_service.services.revisions import hold_expired, refund_reversed, reversal_failed
from payment_service.services.seen import Seen

log = structlog.get_logger(__name__)

_STARTS = (Kind.CHARGE, Kind.AUTHORIZE)


class _Course(StrEnum):
    """The next step after a result about a finished operation."""

    NOTHING = "nothing"
    WAIT = "wait"
    REVERSE_REFUND = "reverse_refund"
    EXPIRE_HOLD = "expire_hold"
    APPROVE_LATE = "approve_late"
    REVIEW = "review"


_NO_CHANGE = {_Course.NOTHING: Seen.UNCHANGED, _Course.WAIT: Seen.UNDECIDED}


def look_again(
    deps: Dependencies, gateway: str, *, gateway_key: str | None = None, reference: str | None = None
) -> Seen:
    """Look up the finished operation of `gateway_key`, or without one the dispute of `reference`, at a gateway again.

    `gateway` is the name of the gateway that spoke. Raises DatabaseUnavailable.
    """
    if gateway_key is None:
        return disputes.look_up(deps, gateway, reference) if reference else Seen.UNKNOWN
    with deps.database.reading() as connection:
        key = key_lookups.find_by_gateway_key(connection, gateway_key)
        payment = None if key is None else payments.find(connection, payment_of(key))
    adapter = deps.gateways.named(gateway)
    if key is None or payment is None or adapter is None or key.operation is None:
        return Seen.UNKNOWN
    if deps.gateways.resolved(payment.gateway) != deps.gateways.resolved(gateway):
        return Seen.UNKNOWN
    if key.response_status is None:
        return Seen.OPEN
    result = look_up(deps, gateway, adapter, gateway_request_for(payment, key.operation, key.fence))
    return deps.database.run("revise", _revise, deps, key.key_id, result)


def _revise(connection: Connection, deps: Dependencies, key_id: int, result: GatewayResult) -> Seen:
    """Compare a result with the rows as they stand now, lock the key before the payment, and write down the change."""
    key = key_lookups.lock_by_id(connection, key_id)
    if key is None or key.operation is None:  # another process has locked it
        return Seen.UNDECIDED
    payment = payments.lock(connection, payment_of(key))
    operation, course = key.operation, _course(payment, key.operation, result)
    if course in _NO_CHANGE:
        return _NO_CHANGE[course]
    if course is _Course.REVIEW:
        return _review(connection, deps, key, payment, operation, result)
    if isinstance(result, Approved):
        _approve_late(connection, deps, key, payment, operation, result)
    elif isinstance(result, Declined) and course is _Course.REVERSE_REFUND:
        _reverse_refund(connection, deps, key, payment, operation, result)
    else:
        expired = hold_expired(payment, operation, clock.now())
        save_changed(connection, deps, payment, payment.journal_hash, expired, GATEWAY)
        timers.end(connection, "hold", payment.payment_id)
    log.warning(
        "later.revised",
        payment_id=payment.payment_id,
        kind=operation.kind,
        course=course,
        amount=str(operation.amount),
        currency=operation.currency,
    )
    return Seen.REVISED


def _course(payment: Payment, operation: Operation, result: GatewayResult) -> _Course:
    has_succeeded = operation.status is OperationStatus.SUCCEEDED
    if isinstance(result, Approved):
        if (result.amount, result.currency) != (operation.amount, operation.currency):
            return _Course.REVIEW
        if has_succeeded:
            return _Course.NOTHING
        is_late = operation.status is OperationStatus.FAILED and operation.kind in _STARTS
        return _Course.APPROVE_LATE if is_late and allows(payment.status, Move.CHARGED_LATE) else _Course.REVIEW
    if not has_succeeded:  # the caller knows that it failed
        return _Course.NOTHING if isinstance(result, Declined | NotFound) else _Course.WAIT
    if not isinstance(result, Declined):
        return _Course.WAIT
    return _taken_back(payment, operation)


def _taken_back(payment: Payment, operation: Operation) -> _Course:
    """Choose the next step for an operation that the gateway approved before and declines now."""
    if operation.kind is Kind.REFUND:
        return _Course.REVERSE_REFUND
    if operation.kind is not Kind.AUTHORIZE:
        return _Course.REVIEW
    if allows(payment.status, Move.HOLD_EXPIRED):
        return _Course.EXPIRE_HOLD
    if allows(payment.status, Move.CAPTURE_DECLINED):  # a capture or void is under way: the gateway's result decides
        return _Course.WAIT
    return _Course.REVIEW if payment.captured_amount else _Course.NOTHING


def _reverse_refund(
    connection: Connection,
    deps: Dependencies,
    key: IdempotencyKey,
    payment: Payment,
    operation: Operation,
    result: Declined,
) -> None:
    refund, at = find_refund(connection, key), clock.now()
    if refund is None:
        raise LookupError(f"key {key.key_id} has no refund")
    if key.purpose is Purpose.REVERSAL:
        transition = reversal_failed(payment, operation, refund, result, at)
        reversals.begin_again(connection, deps, payment, key, transition)
    else:
        transition = refund_reversed(payment, operation, refund, result, at)
        save_changed(connection, deps, payment, payment.journal_hash, transition, GATEWAY)
    if transition.context.operation is not None:
        _write_revised(connection, deps, key, transition.context.operation, key.purpose)


def _write_revised(
    connection: Connection, deps: Dependencies, key: IdempotencyKey, operation: Operation, purpose: Purpose | None
) -> None:
    row_hash = key_row_hash(deps.journal, key, operation, purpose)
    keys.revise_operation(connection, key, operation, purpose, row_hash)


def _approve_late(
    connection: Connection,
    deps: Dependencies,
    key: IdempotencyKey,
    payment: Payment,
    operation: Operation,
    result: Approved,
) -> None:
    late = replace(
        operation,
        status=OperationStatus.SUCCEEDED,
        gateway_reference=result.reference or operation.gateway_reference,
    )
    reversals.approve_late(connection, deps, payment, payment.journal_hash, late, GATEWAY)
    _write_revised(connection, deps, key, late, Purpose.TOLD_FALSE)


def _review(
    connection: Connection,
    deps: Dependencies,
    key: IdempotencyKey,
    payment: Payment,
    operation: Operation,
    result: GatewayResult,
) -> Seen:
    said = "declined" if isinstance(result, Declined) else "approved"
    if isinstance(result, Approved):
        said = f"{said} {result.amount} {result.currency}"
    reason = f"{operation.status} here, and later {said} at the gateway"
    if operation.review_reason != reason:
        _write_revised(connection, deps, key, replace(operation, review_reason=reason), key.purpose)
        log.error("later.needs_a_person", payment_id=payment.payment_id, kind=operation.kind, why=reason)
    return Seen.REVIEW
