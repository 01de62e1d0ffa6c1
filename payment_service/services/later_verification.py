"""Recomputing what became known after the answer: S21, disputes and reversals are the sums of their rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from payment_service.domain.lifecycle import REFUNDS_UNDONE, Move
from payment_service.domain.operations import Kind, OperationStatus
from payment_service.domain.records import Operation
from payment_service.repositories.audit import Trail
from payment_service.services.revisions import dispute_sums


@dataclass(frozen=True)
class Violation:
    """One row that breaks an invariant."""

    invariant: str
    row: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.row}: {self.what}"


def known_later(trail: Trail) -> Iterator[Violation]:
    """S21: the payment's sums are those of its disputes, and every reversed refund failed in its row and journal."""
    payment, row = trail.payment, f"payment {trail.payment.payment_id}"
    disputed, charged_back = dispute_sums(payment, trail.disputes)
    if payment.disputed_amount != disputed:
        yield Violation("S21", row, f"disputed {payment.disputed_amount}, its open disputes sum to {disputed}")
    if payment.charged_back_amount != charged_back:
        what = f"charged back {payment.charged_back_amount}, its lost disputes sum to {charged_back}"
        yield Violation("S21", row, what)
    refunds = {refund.key_hash: refund for refund in trail.refunds}
    undone = Decimal(0)
    for key in trail.keys:
        if key.operation_status is not OperationStatus.REVERSED:
            continue
        refund = refunds.get(key.key_hash)
        undone += key.amount or 0
        if refund is None or (refund.status, refund.amount) != ("FAILED", key.amount):
            yield Violation("S21", f"operation {key.operation_id} of {row}", "reversed, and its refund has not failed")
    told = sum((entry.amount for entry in trail.audit if entry.move in REFUNDS_UNDONE), Decimal(0))
    if told != undone:
        yield Violation("S21", row, f"its journal takes {told} of refunds back, its operations {undone}")


def has_expired(trail: Trail, operation: Operation) -> bool:
    """Return whether an operation is a hold that has expired: it succeeded, and the gateway no longer has it."""
    is_hold = operation.kind is Kind.AUTHORIZE
    return is_hold and any(entry.move == Move.HOLD_EXPIRED for entry in trail.audit)
