"""What happens to a payment, as pure values: the facts after a move, with what the audit trail says of it.

Legality comes from the lifecycle table alone; nothing here touches a database or a gateway.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from payment_service import clock
from payment_service.domain.errors import Refused
from payment_service.domain.lifecycle import Move, Status, after
from payment_service.domain.money import as_stored, in_currency
from payment_service.domain.operations import Kind, OperationStatus
from payment_service.domain.records import Facts, Operation, Payment, Refund
from payment_service.gateways.base import Approved, Declined
from payment_service.services.requests import Labels, Movement, NewPayment, Request
from payment_service.services.runtime import Receipt

ZERO = Decimal("0.00")

STARTS = {
    Kind.CHARGE: Move.CHARGE,
    Kind.AUTHORIZE: Move.AUTHORIZE,
    Kind.CAPTURE: Move.CAPTURE,
    Kind.VOID: Move.VOID,
    Kind.REFUND: Move.REFUND,
}
APPROVALS = {
    Kind.CHARGE: Move.CHARGED,
    Kind.AUTHORIZE: Move.AUTHORIZED,
    Kind.CAPTURE: Move.CAPTURED,
    Kind.VOID: Move.VOIDED,
}
REFUSALS = {
    Kind.CHARGE: Move.CHARGE_DECLINED,
    Kind.AUTHORIZE: Move.AUTHORIZE_DECLINED,
    Kind.CAPTURE: Move.CAPTURE_DECLINED,
    Kind.VOID: Move.VOID_DECLINED,
    Kind.REFUND: Move.REFUND_DECLINED,
}


class AmountTooLarge(Refused):
    """The amount exceeds what is left"""

    code = "amount_exceeds_available"


@dataclass(frozen=True)
class Change:
    """One move of one payment: where it came from, the facts it led to, the amount it is about, in words."""

    move: Move
    came_from: Status | None
    facts: Facts
    amount: Decimal
    description: str

    @property
    def transaction_type(self) -> str:
        """REFUND for every step of a refund, PAYMENT for everything else."""
        return "REFUND" if self.facts.refund else "PAYMENT"


def created(request: Request, new: NewPayment, payment_id: int, labels: Labels) -> Change:
    """A payment that waits for its caller to go on. `new.amount` is known by now."""
    payment = _new_payment(request, new, payment_id, labels, Move.CREATE)
    return Change(Move.CREATE, None, Facts(payment), payment.amount, "Payment created")


def opened(request: Request, new: NewPayment, labels: Labels, operation: Operation) -> Change:
    """A payment made together with the movement that charges or authorizes it."""
    move = STARTS[operation.kind]
    payment = _new_payment(request, new, operation.payment_id, labels, move)
    return Change(move, None, Facts(payment, operation), payment.amount, "Payment processing started")


def _new_payment(request: Request, new: NewPayment, payment_id: int, labels: Labels, move: Move) -> Payment:
    if new.amount is None:
        raise ValueError("a payment is made of a known amount")
    at = clock.now()
    return Payment(
        payment_id=payment_id,
        public_id=clock.new_id(),
        channel=request.channel,
        subject=request.caller.subject,
        payable_id=new.payable_id,
        customer_id=new.customer_id,
        amount=as_stored(new.amount),
        currency=new.currency,
        method=new.method,
        status=after(None, move),
        version=1,
        authorized_amount=ZERO,
        captured_amount=ZERO,
        refunded_amount=ZERO,
        refund_pending_amount=ZERO,
        reference=labels.reference,
        transaction_id=labels.transaction_id,
        payment_intent_id=None,
        authorization_code=None,
        gateway_response=None,
        failure_code=None,
        metadata=new.metadata,
        fingerprint=request.fingerprint,
        created_at=at,
        updated_at=at,
        completed_at=None,
        authorized_at=None,
        captured_at=None,
        refunded_at=None,
    )


def available(payment: Payment, kind: Kind) -> Decimal:
    """The most that a movement of this kind may move."""
    if kind is Kind.REFUND:
        return payment.refundable
    return payment.authorized_amount if kind in (Kind.CAPTURE, Kind.VOID) else payment.amount


def amount_of(payment: Payment, movement: Movement) -> Decimal:
    """What a movement of an existing payment moves.

    Raises IllegalMove by status, BadAmount for more decimals than the payment's currency has, AmountTooLarge by what is
    left.
    """
    if movement.kind is None:
        raise ValueError("only a movement has an amount")
    after(payment.status, STARTS[movement.kind])
    limit = available(payment, movement.kind)
    amount = limit if movement.amount is None else in_currency(movement.amount, payment.currency)
    if amount > limit or (movement.kind is Kind.REFUND and amount <= 0):
        raise AmountTooLarge(available=limit, status=payment.status)
    return amount


def started(payment: Payment, operation: Operation, refund: Refund | None, said: str | None = None) -> Change:
    """A movement of an existing payment begins; a refund reserves its amount. Raises IllegalMove.

    `said` is what the caller wants to read as the gateway's response to a charge, should the gateway approve it.
    """
    move = STARTS[operation.kind]
    begun = _after(payment, move, operation.created_at, said)
    if refund is not None:
        begun = replace(begun, refund_pending_amount=as_stored(payment.refund_pending_amount + refund.amount))
    description = f"{operation.kind.capitalize()} started"
    return Change(move, payment.status, Facts(begun, operation, refund), operation.amount, description)


def _after(payment: Payment, move: Move, at: datetime, said: str | None = None) -> Payment:
    return replace(
        payment,
        status=after(payment.status, move),
        version=payment.version + 1,
        gateway_response=said or payment.gateway_response,
        updated_at=at,
    )


def moved(payment: Payment, move: Move, said: str | None, at: datetime) -> Change:
    """A move in which no money takes part (cancel, fail); `said` is why, in the caller's words. Raises IllegalMove."""
    description = said or ("Payment cancelled" if move is Move.CANCEL else "Payment failed")
    return Change(move, payment.status, Facts(_after(payment, move, at, said)), payment.amount, description)


def settled(
    facts: Facts, finding: Approved | Declined, receipt: Receipt, at: datetime, note: str | None = None
) -> Change:
    """The gateway has decided an operation: the facts that follow from its word. `note`: who else had a hand in it."""
    if facts.operation is None:
        raise ValueError("only an operation can be settled")
    operation = replace(
        facts.operation,
        status=OperationStatus.SUCCEEDED if isinstance(finding, Approved) else OperationStatus.FAILED,
        gateway_reference=finding.reference,
        failure_message=finding.message if isinstance(finding, Declined) else None,
        review_reason=note,
    )
    if facts.refund is not None:
        return _settled_refund(facts.payment, operation, facts.refund, finding, at)
    if isinstance(finding, Declined):
        return _declined(facts.payment, operation, finding, at)
    return _approved(facts.payment, operation, finding, receipt, at)


def _approved(payment: Payment, operation: Operation, finding: Approved, receipt: Receipt, at: datetime) -> Change:
    move = APPROVALS[operation.kind]
    kind = operation.kind
    taken, held = kind in (Kind.CHARGE, Kind.CAPTURE), kind in (Kind.CHARGE, Kind.AUTHORIZE)
    moved_payment = replace(
        _after(payment, move, at),
        authorized_amount=operation.amount if held else payment.authorized_amount,
        captured_amount=operation.amount if taken else payment.captured_amount,
        authorized_at=at if held else payment.authorized_at,
        captured_at=at if taken else payment.captured_at,
        completed_at=at if taken else payment.completed_at,
        transaction_id=payment.transaction_id or receipt.transaction_id,
        payment_intent_id=payment.payment_intent_id or receipt.payment_intent_id,
        authorization_code=finding.authorization_code or payment.authorization_code,
        failure_code=None,
        gateway_response=_response(payment, kind),
    )
    description = f"{kind.capitalize()} approved by the gateway"
    return Change(move, payment.status, Facts(moved_payment, operation), operation.amount, description)


def _response(payment: Payment, kind: Kind) -> str | None:
    if kind is Kind.CHARGE and payment.gateway_response:
        return payment.gateway_response  # the caller's own words, given with the charge
    return "Payment processed successfully" if kind in (Kind.CHARGE, Kind.CAPTURE) else payment.gateway_response


def _declined(payment: Payment, operation: Operation, finding: Declined, at: datetime) -> Change:
    move = REFUSALS[operation.kind]
    moved_payment = replace(
        _after(payment, move, at),
        failure_code=finding.code,
        gateway_response=finding.message,
    )
    return Change(move, payment.status, Facts(moved_payment, operation), operation.amount, finding.message)


def _settled_refund(
    payment: Payment, operation: Operation, refund: Refund, finding: Approved | Declined, at: datetime
) -> Change:
    pending = payment.refund_pending_amount - refund.amount
    if isinstance(finding, Declined):
        move, refunded, status, message = Move.REFUND_DECLINED, payment.refunded_amount, "FAILED", finding.message
    else:
        refunded = payment.refunded_amount + refund.amount
        whole = refunded == payment.captured_amount
        move = Move.FULLY_REFUNDED if whole else Move.PARTLY_REFUNDED
        status, message = "REFUNDED", f"Refund: {refund.reason}" if refund.reason else "Refund processed"
    moved_payment = replace(
        _after(payment, move, at),
        refunded_amount=refunded,
        refund_pending_amount=pending,
        refunded_at=at if isinstance(finding, Approved) else payment.refunded_at,
        gateway_response=message,
    )
    facts = Facts(moved_payment, operation, replace(refund, status=status, updated_at=at))
    return Change(move, payment.status, facts, refund.amount, message)
