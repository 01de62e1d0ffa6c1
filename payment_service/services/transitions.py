"""The transitions of a payment, as pure values: its state after a move, and the journal row.

Legality comes from the lifecycle table alone; nothing here touches a database or a gateway.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from payment_service import clock
from payment_service.domain.errors import AmountTooLarge, KeyInUse
from payment_service.domain.lifecycle import Move, Status, after
from payment_service.domain.money import as_stored, in_currency
from payment_service.domain.operations import Kind
from payment_service.domain.records import Operation, Payment, PaymentContext, Refund
from payment_service.services.commands import ChangeStatus, NewPayment, PaymentReferences, Request

ZERO = Decimal("0.00")

EXPIRED = "expired"
"""The reason of a payment that ended because its caller did not charge it in time."""


@dataclass(frozen=True)
class Transition:
    """One move of one payment: the status before, the context after, the amount, and a description.

    `caller_note` is the caller's own text.
    """

    move: Move
    from_status: Status | None
    context: PaymentContext
    amount: Decimal
    description: str
    caller_note: str | None = None


def created(request: Request, new: NewPayment, payment_id: int, references: PaymentReferences) -> Transition:
    """Return the transition to a new payment that waits for its caller."""
    payment = _new_payment(request, new, payment_id, references, Move.CREATE, None, None)
    return Transition(Move.CREATE, None, PaymentContext(payment), payment.amount, "Payment created")


def charge_started(
    request: Request, new: NewPayment, operation: Operation, references: PaymentReferences, gateway: str
) -> Transition:
    """Return the transition to a new payment with its charge or authorization."""
    move = Move(operation.kind)
    payment = _new_payment(request, new, operation.payment_id, references, move, operation.gateway_key, gateway)
    return Transition(move, None, PaymentContext(payment, operation), payment.amount, "Payment processing started")


def _new_payment(
    request: Request,
    new: NewPayment,
    payment_id: int,
    references: PaymentReferences,
    move: Move,
    charge_key: str | None,
    gateway: str | None,
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
        gateway=gateway,
        created_at=at,
        updated_at=at,
        idempotency_hash=request.scope.key_hash if request.scope.is_client_key else None,
    )


def amount_of(new: NewPayment) -> Decimal:
    """Return the amount of a new payment. Raises KeyInUse if it has no price because the key existed a moment ago."""
    if not isinstance(new.amount, Decimal):
        raise KeyInUse
    return as_stored(new.amount)


def available(payment: Payment, kind: Kind) -> Decimal:
    """Return the most that an operation of this kind may move."""
    if kind is Kind.REFUND:
        return payment.refundable
    return payment.authorized_amount if kind in (Kind.CAPTURE, Kind.VOID) else payment.amount


def amount_to_move(payment: Payment, kind: Kind, wanted: Decimal | None) -> Decimal:
    """Return the amount of an operation on an existing payment: `wanted`, or all there is.

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
    gateway: str,
    said: str | None = None,
    caller_reference: str | None = None,
) -> Transition:
    """Begin an operation on an existing payment; a refund reserves its amount. Raises IllegalMove.

    `gateway` is the gateway of a charge. `said` is the response that the caller reads once the charge is approved.
    """
    move = Move(operation.kind)
    begun = payment_moved(payment, move, operation.created_at, said, caller_reference)
    if operation.kind in (Kind.CHARGE, Kind.AUTHORIZE):
        begun = replace(begun, charge_key=operation.gateway_key, gateway=gateway)
    if refund is not None:
        begun = replace(begun, refund_pending_amount=as_stored(payment.refund_pending_amount + refund.amount))
    description = f"{operation.kind.capitalize()} started"
    context = PaymentContext(begun, operation, refund)
    return Transition(move, payment.status, context, operation.amount, description, caller_reference)


def payment_moved(
    payment: Payment, move: Move, at: datetime, said: str | None = None, caller_reference: str | None = None
) -> Payment:
    """Return the payment in the status that a move leads to, in its next version. Raises IllegalMove."""
    return replace(
        payment,
        status=after(payment.status, move),
        version=payment.version + 1,
        gateway_response=said or payment.gateway_response,
        caller_reference=caller_reference or payment.caller_reference,
        updated_at=at,
    )


def pending_expired(payment: Payment, at: datetime) -> Transition:
    """End a payment that its caller did not charge in time. Raises IllegalMove."""
    moved = replace(payment_moved(payment, Move.CANCEL, at, EXPIRED), failure_code=EXPIRED)
    return Transition(Move.CANCEL, payment.status, PaymentContext(moved), payment.amount, "Payment expired")


def status_changed(payment: Payment, command: ChangeStatus, at: datetime) -> Transition:
    """Cancel or fail a payment without money. Raises IllegalMove."""
    description = "Payment cancelled" if command.move is Move.CANCEL else "Payment failed"
    after = payment_moved(payment, command.move, at, command.reason, command.caller_reference)
    note = "; ".join(text for text in (command.reason, command.caller_reference) if text) or None
    return Transition(command.move, payment.status, PaymentContext(after), payment.amount, description, note)
