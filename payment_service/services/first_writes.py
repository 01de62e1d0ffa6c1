"""The first writes of each command, in the transaction that inserts its key.

Steps of `acquire`: they take its connection and never commit. They raise StateConflict if the payment's state does not
allow the command.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from payment_service import clock
from payment_service.connection import Connection, TransactionLost
from payment_service.domain.cards import without_card_number
from payment_service.domain.chain import REFUND
from payment_service.domain.errors import (
    DuplicateRefundSuspected,
    PayableAlreadyPaid,
)
from payment_service.domain.lifecycle import Move, awaits_customer
from payment_service.domain.operations import CancelReason, Kind, OperationStatus, Purpose
from payment_service.domain.records import Operation, Payment, PaymentContext, Refund, StoredResponse
from payment_service.repositories import keys, payments, timers
from payment_service.repositories.key_states import NOT_KEPT
from payment_service.services import transitions
from payment_service.services.chaining import finished_key_hashes, open_key_hash, payment_hashes
from payment_service.services.claim import Claim
from payment_service.services.commands import ChangeStatus, ChargePayment, KeyScope, NewPayment, Request, StartOperation
from payment_service.services.dependencies import Dependencies
from payment_service.services.gateway_choice import gateway_for_charge, gateway_of
from payment_service.services.persistence import change_row, record, render_response, save_changed


@dataclass(frozen=True)
class InsertedKey:
    """A key that this transaction has inserted: its scope, the ids for what the command makes, and its time.

    `since` is the same moment by the monotonic clock, or a little before. `lost` is as in Claim.
    """

    scope: KeyScope
    key_id: int
    payment_id: int
    lost: str | None
    operation_id: UUID
    created_at: datetime
    since: float
    purpose: Purpose | None
    claim_digest: str


def create_payment(
    connection: Connection, deps: Dependencies, request: Request, key: InsertedKey, new: NewPayment, clashes: int
) -> StoredResponse:
    """Make a payment that waits for its caller; the response is final."""
    transition = transitions.created(request, new, key.payment_id, new.references_for(clashes))
    _insert_payment(connection, deps, request, new, transition)
    if (seconds := deps.limits.pending_ttl[request.channel]) > 0:
        timers.set_in(connection, "pending", key.payment_id, seconds)
    return _respond(connection, deps, request, key, transition.context)


def charge_payment(
    connection: Connection, deps: Dependencies, request: Request, key: InsertedKey, command: ChargePayment, clashes: int
) -> Claim:
    """Make a payment together with the operation that charges or authorizes it."""
    new = command.payment
    amount = transitions.amount_of(new)
    gateway = gateway_for_charge(deps, request, new.method, amount)
    operation = _operation(request, key, command.kind, amount, new.currency, None)
    transition = transitions.charge_started(request, new, operation, new.references_for(clashes), gateway)
    _insert_payment(connection, deps, request, new, transition)
    return _claim(deps, request, key, transition.context.payment, operation, None)


def start_operation(
    connection: Connection, deps: Dependencies, request: Request, key: InsertedKey, command: StartOperation
) -> Claim:
    """Begin an operation on an existing payment, under the payment's lock; a refund reserves its amount."""
    refund_id = None
    if command.kind is Kind.REFUND:
        payment, refund_id = payments.lock_for_refund(connection, key.payment_id)
    else:
        payment = payments.lock(connection, key.payment_id)
    amount = transitions.amount_to_move(payment, command.kind, command.amount)
    gateway = gateway_of(deps, request, payment, command.kind)
    operation = _operation(request, key, command.kind, amount, payment.currency, payment.charge_key)
    refund = None if refund_id is None else _refund(refund_id, key, operation, command.reason)
    said = None if refund else command.reason  # the reason of a refund is no message of the gateway
    transition = transitions.operation_started(payment, operation, refund, gateway, said, command.caller_reference)
    row_hash = open_key_hash(deps.journal, key.claim_digest, operation, key.purpose)
    keys.set_operation(connection, key.key_id, key.scope.key_hash, operation, row_hash)
    if refund is not None:
        _refuse_duplicate(connection, deps, request, refund)
        row_hash = deps.journal.sign(REFUND, vars(refund))
        payments.insert_refund(connection, refund, payment.channel, key.scope.subject, row_hash)
    save_changed(connection, deps, payment, payment.journal_hash, transition, request.origin)
    return _claim(deps, request, key, transition.context.payment, operation, refund)


def _refuse_duplicate(connection: Connection, deps: Dependencies, request: Request, refund: Refund) -> None:
    """Refuse the second of two equal refunds without a key: most likely a repeat. The payment is locked."""
    seconds = deps.limits.duplicate_refund
    if request.is_repeatable or not seconds:
        return
    since = refund.created_at - timedelta(seconds=seconds)
    if payments.has_equal_refund(connection, refund, request.scope.subject, since):
        raise DuplicateRefundSuspected


def change_status(
    connection: Connection, deps: Dependencies, request: Request, key: InsertedKey, command: ChangeStatus
) -> StoredResponse:
    """Cancel or fail a payment; the response is final, even if nothing changes."""
    is_asked = command.move is Move.CANCEL and _ask_to_cancel(connection, key.payment_id)
    payment = payments.lock(connection, key.payment_id)
    if command.move is Move.CANCEL and awaits_customer(payment.status):
        if not is_asked:  # it began to wait for its customer just now: another run locks the key first
            raise TransactionLost
        # A repeat shows the state that it finds then.
        return _respond(connection, deps, request, key, PaymentContext(payment), is_kept=False)
    transition = transitions.status_changed(payment, command, clock.now())
    if transition.context.payment.status is payment.status:
        return _respond(connection, deps, request, key, PaymentContext(payment))
    save_changed(connection, deps, payment, payment.journal_hash, transition, request.origin)
    return _respond(connection, deps, request, key, transition.context)


def _ask_to_cancel(connection: Connection, payment_id: int) -> bool:
    """Let recovery cancel a charge that waits for its customer. Return whether there is one; only the gateway ends it.

    Locks the key before the payment, as everywhere. If the gateway decides meanwhile, the charge has no open key.
    """
    payment = payments.find(connection, payment_id)
    if payment is None or not awaits_customer(payment.status):
        return False
    key_ids = keys.ask_to_cancel_charge(connection, payment_id, CancelReason.CALLER)
    for key_id in key_ids:
        keys.set_timer(connection, key_id, 1, 0.0)
    return bool(key_ids)


def _respond(
    connection: Connection,
    deps: Dependencies,
    request: Request,
    key: InsertedKey,
    context: PaymentContext,
    *,
    is_kept: bool = True,
) -> StoredResponse:
    answer = render_response(connection, deps, request.response_format, context)
    hashes = finished_key_hashes(deps.journal, key.claim_digest, key.payment_id, None, None, answer)
    if not (is_kept and key.scope.is_client_key):
        hashes |= NOT_KEPT
    keys.store_response(connection, key.key_id, key.scope.key_hash, answer, clock.now(), hashes)
    return answer


def _insert_payment(
    connection: Connection,
    deps: Dependencies,
    request: Request,
    new: NewPayment,
    transition: transitions.Transition,
) -> None:
    payment = transition.context.payment
    # A race past this look ends at the reservation's primary key; the next run then ends here.
    if new.payable_is_unique and payments.find_reservation(connection, payment.channel, "payable", payment.payable_id):
        raise PayableAlreadyPaid(payable_id=payment.payable_id)
    row = change_row(deps, transition, None, request.origin)
    payments.insert(connection, payment, payment_hashes(deps.journal, payment, row["row_hash"]))
    if new.reference_is_unique:
        payments.reserve(connection, payment, "reference", payment.reference)
    if new.payable_is_unique:
        payments.reserve(connection, payment, "payable", payment.payable_id)
    if payment.transaction_id is not None:
        payments.reserve(connection, payment, "transaction", payment.transaction_id)
    record(connection, deps, transition, row)


def _claim(
    deps: Dependencies,
    request: Request,
    key: InsertedKey,
    payment: Payment,
    operation: Operation,
    refund: Refund | None,
) -> Claim:
    return Claim(
        key_id=key.key_id,
        key_hash=key.scope.key_hash,
        response_format=request.response_format,
        owner=request.owner,
        fence=1,
        payment=payment,
        operation=operation,
        refund=refund,
        purpose=key.purpose,
        taken_over=None,
        send_before=key.since + deps.limits.time_to_send,
        is_repeatable=request.is_repeatable,
        origin=request.origin,
        claim_digest=key.claim_digest,
        lost=key.lost,
    )


def _operation(
    request: Request, key: InsertedKey, kind: Kind, amount: Decimal, currency: str, parent_key: str | None
) -> Operation:
    return Operation(
        operation_id=key.operation_id,
        payment_id=key.payment_id,
        kind=kind,
        amount=amount,
        currency=currency,
        status=OperationStatus.PENDING,
        gateway_key=key.scope.gateway_key(kind),
        parent_key=parent_key,
        gateway_reference=None,
        failure_message=None,
        review_reason=None,
        created_at=key.created_at,
        terms=request.terms,
    )


def _refund(refund_id: int, key: InsertedKey, operation: Operation, reason: str | None) -> Refund:
    return Refund(
        refund_id=refund_id,
        payment_id=operation.payment_id,
        key_hash=key.scope.key_hash,
        amount=operation.amount,
        status="PENDING",
        reason=reason,
        public_reference=without_card_number(lambda: "re_" + clock.new_hex(16)),
        created_at=operation.created_at,
        updated_at=operation.created_at,
    )
