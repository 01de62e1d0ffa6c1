"""What happens to a payment, as pure values: how it stands after a move, with what the journal says of it.

Legality comes from the lifecycle table alone; nothing here touches a database or a gateway.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from payment_service import clock
from payment_service.domain.errors import AmountTooLarge, KeyInUse
from payment_service.domain.lifecycle import Move, Status, after
from payment_service.domain.money import as_stored, in_currency
from payment_service.domain.operations import Kind, OperationStatus
from payment_service.domain.records import Operation, Payment, PaymentContext, Refund
from payment_service.gateways.base import Approved, Declined
from payment_service.services.commands import ChangeStatus, NewPayment, PaymentReferences, Request
from payment_service.services.dependencies import ChannelReferences

ZERO = Decimal("0.00")

APPROVALS = {
    Kind.CHARGE: Move.CHARGED,
    Kind.AUTHORIZE: Move.AUTHORIZED,
    Kind.CAPTURE: Move.CAPTURED,
    Kind.VOID: Move.VOIDED,
}


@dataclass(frozen=True)
class Transition:
    """One move of one payment: where it came from, the context after it, the amount it is about, in words.

    `caller_note` is the caller's own text.
    """

    move: Move
    from_status: Status | None
    context: PaymentContext
    amount: Decimal
    description: str
    caller_note: str | None = None


def created(request: Request, new: NewPayment, payment_id: int, references: PaymentReferences) -> Transition:
    """A payment that waits for its caller to go on."""
    payment = _new_payment(request, new, payment_id, references, Move.CREATE, None)
    return Transition(Move.CREATE, None, PaymentContext(payment), payment.amount, "Payment created")


def charge_started(
    request: Request, new: NewPayment, operation: Operation, references: PaymentReferences
) -> Transition:
    """A payment made together with the operation that charges or authorizes it."""
    move = Move(operation.kind)
    payment = _new_payment(request, new, operation.payment_id, references, move, operation.gateway_key)
    return Transition(move, None, PaymentContext(payment, operation), payment.amount, "Payment processing started")


def _new_payment(
    request: Request,
    new: NewPayment,
    payment_id: int,
    references: PaymentReferences,
    move: Move,
    charge_key: str | None,
) -> Payment:
    at = clock.now()
    return Payment(
        payment_id=payment_id,
        public_id=clock.new_id(),
        channel=request.channel,
        subject=request.scope.subject,
        payable_id=new.payable_id,
        customer_id=new.customer_id,
        amount=amount_of(new),
        currency=new.currency,
        method=new.method,
        status=after(None, move),
        version=1,
        authorized_amount=ZERO,
        captured_amount=ZERO,
        refunded_amount=ZERO,
        refund_pending_amount=ZERO,
        reference=references.reference,
        transaction_id=references.transaction_id,
        payment_intent_id=None,
        authorization_code=None,
        gateway_response=None,
        failure_code=None,
        metadata=new.metadata,
        caller_reference=None,
        charge_key=charge_key,
        created_at=at,
        updated_at=at,
    )


def amount_of(new: NewPayment) -> Decimal:
    """The amount of a new payment. Raises KeyInUse where a key that was there a moment ago made asking needless."""
    if not isinstance(new.amount, Decimal):
        raise KeyInUse
    return as_stored(new.amount)


def available(payment: Payment, kind: Kind) -> Decimal:
    """The most that a movement of this kind may move."""
    if kind is Kind.REFUND:
        return payment.refundable
    return payment.authorized_amount if kind in (Kind.CAPTURE, Kind.VOID) else payment.amount


def amount_to_move(payment: Payment, kind: Kind, wanted: Decimal | None) -> Decimal:
    """What an operation on an existing payment moves: `wanted`, or all there is.

    Raises IllegalMove by status, BadAmount for more decimals than the payment's currency has, AmountTooLarge by what is
    left.
    """
    after(payment.status, Move(kind))
    limit = available(payment, kind)
    amount = limit if wanted is None else in_currency(wanted, payment.currency)
    if amount > limit or (kind is Kind.REFUND and amount <= 0):
        raise AmountTooLarge(available=limit, status=payment.status)
    return as_stored(amount)


def operation_started(
    payment: Payment,
    operation: Operation,
    refund: Refund | None,
    said: str | None = None,
    caller_reference: str | None = None,
) -> Transition:
    """An operation on an existing payment begins; a refund reserves its amount. Raises IllegalMove.

    `said` is what the caller reads as the gateway's response to a charge that is approved.
    """
    move = Move(operation.kind)
    begun = payment_moved(payment, move, operation.created_at, said, caller_reference)
    if operation.kind in (Kind.CHARGE, Kind.AUTHORIZE):
        begun = replace(begun, charge_key=operation.gateway_key)
    if refund is not None:
        begun = replace(begun, refund_pending_amount=as_stored(payment.refund_pending_amount + refund.amount))
    description = f"{operation.kind.capitalize()} started"
    context = PaymentContext(begun, operation, refund)
    return Transition(move, payment.status, context, operation.amount, description, caller_reference)


def payment_moved(
    payment: Payment, move: Move, at: datetime, said: str | None = None, caller_reference: str | None = None
) -> Payment:
    """A payment in the status that a move leads to, in its next version. Raises IllegalMove."""
    return replace(
        payment,
        status=after(payment.status, move),
        version=payment.version + 1,
        gateway_response=said or payment.gateway_response,
        caller_reference=caller_reference or payment.caller_reference,
        updated_at=at,
    )


def status_changed(payment: Payment, command: ChangeStatus, at: datetime) -> Transition:
    """A move in which no money takes part: cancel, fail. Raises IllegalMove."""
    description = command.reason or ("Payment cancelled" if command.move is Move.CANCEL else "Payment failed")
    after = payment_moved(payment, command.move, at, command.reason, command.caller_reference)
    note = command.caller_reference
    return Transition(command.move, payment.status, PaymentContext(after), payment.amount, description, note)


def operation_completed(operation: Operation, result: Approved | Declined, note: str | None) -> Operation:
    """An operation that the gateway has decided. `note`: who else had a hand in it."""
    return replace(
        operation,
        status=OperationStatus.SUCCEEDED if isinstance(result, Approved) else OperationStatus.FAILED,
        gateway_reference=result.reference,
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
    """What a completed operation makes of its payment, and of its refund where it is one."""
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
    if kind is Kind.CAPTURE or (kind is Kind.CHARGE and not response):  # else the caller's text, sent with the charge
        response = "Payment processed successfully"
    moved_payment = replace(
        payment_moved(payment, move, at),
        authorized_amount=operation.amount if held else payment.authorized_amount,
        captured_amount=operation.amount if taken else payment.captured_amount,
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


def _declined(payment: Payment, operation: Operation, result: Declined, at: datetime) -> Transition:
    move = Move(f"{operation.kind}_declined")
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
    return Transition(move, payment.status, context, refund.amount, message)
