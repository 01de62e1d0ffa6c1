"""Writing an intent down before anything happens: a payment made, or a movement of one begun.

Steps of a claim: they take its connection and never commit. What they refuse by business state is raised as Refused.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from payment_service import clock
from payment_service.domain.errors import Refused
from payment_service.domain.money import as_stored
from payment_service.domain.operations import Kind, OperationStatus
from payment_service.domain.records import Answer, Facts, Operation, Refund
from payment_service.repositories import payments
from payment_service.services import changes
from payment_service.services.answering import keep_answer, record_and_answer
from payment_service.services.changes import Change
from payment_service.services.idempotency import Identity
from payment_service.services.recording import record
from payment_service.services.requests import Movement, NewPayment, Request
from payment_service.services.runtime import Runtime


class PayableAlreadyPaid(Refused):
    """A live payment for this already exists"""

    code = "payable_already_paid"


@dataclass(frozen=True)
class Intent:
    """What a claim is about to write: the request, under whose key, for which payment and operation."""

    runtime: Runtime
    request: Request
    identity: Identity
    key_id: int
    payment_id: int
    operation_id: UUID

    def create(self, connection: Connection, new: NewPayment, attempt: int) -> Answer:
        """Make a payment that waits for its caller; the answer is final at once."""
        self._refuse_second_payment(connection, new)
        change = changes.created(self.request, new, self.payment_id, new.labels(self.identity.key_hash, attempt))
        return record_and_answer(
            connection,
            self.runtime,
            change,
            self.key_id,
            self.request.rendering,
            opening=("payment",),
            origin=self.request.origin,
            open_payment=self._unread_columns(new),
        )

    def open(self, connection: Connection, kind: Kind, new: NewPayment, attempt: int) -> Change:
        """Make a payment together with the movement that charges or authorizes it."""
        if new.amount is None:
            raise ValueError("a payment is made of a known amount")
        self._refuse_second_payment(connection, new)
        operation = self._operation(kind, new.amount, new.currency, None)
        change = changes.opened(self.request, new, new.labels(self.identity.key_hash, attempt), operation)
        self._record(connection, change, ("payment", "operation"), open_payment=self._unread_columns(new))
        return change

    def start(self, connection: Connection, kind: Kind, movement: Movement) -> Change:
        """Begin a movement of an existing payment, under the payment's lock; a refund reserves its amount."""
        payment = payments.lock(connection, self.payment_id)
        amount = changes.amount_of(payment, movement)
        parent = payments.parent_gateway_key(connection, payment.payment_id)
        operation = self._operation(kind, amount, payment.currency, parent)
        if kind is not Kind.REFUND:
            change = changes.started(payment, operation, None, movement.reason)
            self._record(connection, change, ("operation",))
            return change
        refund = self._refund(connection, movement.reason, operation)
        change = changes.started(payment, operation, refund)
        self._record(connection, change, ("operation", "refund"), open_refund=self._unread_refund_columns())
        return change

    def set(self, connection: Connection, movement: Movement) -> Answer:
        """Move an existing payment where no money takes part; the answer is final at once, even if nothing changes."""
        payment = payments.lock(connection, self.payment_id)
        change = changes.moved(payment, movement.move, movement.reason, clock.now())
        if change.facts.payment.status is payment.status:
            return keep_answer(connection, self.runtime, self.key_id, self.request.rendering, Facts(payment))
        return record_and_answer(
            connection,
            self.runtime,
            change,
            self.key_id,
            self.request.rendering,
            origin=self.request.origin,
        )

    def _refuse_second_payment(self, connection: Connection, new: NewPayment) -> None:
        """A race past this look ends at the partial unique index, and then here again."""
        if new.payable_is_unique and payments.live_for_payable(connection, self.request.channel, new.payable_id):
            raise PayableAlreadyPaid(payable_id=new.payable_id)

    def _record(self, connection: Connection, change: Change, opening: tuple[str, ...], **more: dict[str, Any]) -> None:
        record(connection, self.runtime, change, self.request.origin, opening=opening, **more)

    def _unread_columns(self, new: NewPayment) -> dict[str, Any]:
        """The columns of a new payment that no record reads: its binding and its promises of uniqueness."""
        return {
            "idempotency_hash": self._binding(),
            "reference_is_unique": new.reference_is_unique,
            "payable_is_unique": new.payable_is_unique,
        }

    def _unread_refund_columns(self) -> dict[str, Any]:
        """A refund's key belongs to whoever asked for it, which need not be the payment's own subject."""
        return {"idempotency_hash": self._binding(), "subject": self.identity.subject}

    def _binding(self) -> str | None:
        return self.identity.key_hash if self.identity.is_clients else None

    def _operation(self, kind: Kind, amount: Decimal, currency: str, parent_key: str | None) -> Operation:
        return Operation(
            operation_id=self.operation_id,
            payment_id=self.payment_id,
            kind=kind,
            amount=as_stored(amount),
            currency=currency,
            status=OperationStatus.PENDING,
            gateway_key=self.identity.gateway_key(kind),
            parent_key=parent_key,
            fingerprint=self.request.fingerprint,
            gateway_reference=None,
            failure_message=None,
            review_reason=None,
            created_at=clock.now(),
        )

    def _refund(self, connection: Connection, reason: str | None, operation: Operation) -> Refund:
        return Refund(
            refund_id=payments.next_refund_id(connection),
            payment_id=operation.payment_id,
            operation_id=operation.operation_id,
            amount=operation.amount,
            status="PENDING",
            reason=reason,
            public_reference="re_" + clock.new_hex(16),
            created_at=operation.created_at,
            updated_at=operation.created_at,
        )
