"""The rows the engine works with, as values. Amounts are Decimals in major units, times are aware UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from payment_service.domain.disputes import PaymentDispute
from payment_service.domain.lifecycle import Move, Status
from payment_service.domain.operations import NO_TERMS, Action, CancelReason, Kind, OperationStatus, Purpose, Terms


@dataclass(frozen=True)
class Payment:
    """One payment as its row stands; `metadata` comes from the caller, already free of card numbers.

    `charge_key` is the gateway key of its charge or authorization at `gateway`; `charge_reference` that gateway's id of
    it. `caller_reference` is an id that the caller gave with a change of its status. The customer's bank may take back
    `disputed_amount` and has taken `charged_back_amount`. The hashes are of the key that made it and its last change.
    """

    payment_id: int
    public_id: UUID
    channel: str
    subject: str
    payable_id: str
    customer_id: str | None
    amount: Decimal
    currency: str
    method: str
    status: Status
    version: int
    authorized_amount: Decimal
    captured_amount: Decimal
    refunded_amount: Decimal
    refund_pending_amount: Decimal
    reference: str
    transaction_id: str | None
    payment_intent_id: str | None
    authorization_code: str | None
    gateway_response: str | None
    failure_code: str | None
    metadata: Mapping[str, Any] | None
    caller_reference: str | None
    charge_key: str | None
    gateway: str | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None = None
    authorized_at: datetime | None = None
    captured_at: datetime | None = None
    refunded_at: datetime | None = None
    hold_expires_at: datetime | None = None
    charge_reference: str | None = None
    disputed_amount: Decimal = Decimal("0.00")
    charged_back_amount: Decimal = Decimal("0.00")
    idempotency_hash: str | None = None
    journal_hash: str | None = None

    @property
    def refundable(self) -> Decimal:
        """The most that a further refund may ask for: it excludes refunds under way and amounts charged back."""
        spoken_for = self.refunded_amount + self.refund_pending_amount + self.charged_back_amount
        return max(Decimal(0), self.captured_amount - spoken_for)


@dataclass(frozen=True)
class Operation:
    """One money movement: asked under `gateway_key`, belonging to the movement `parent_key` (capture, void, refund).

    `gateway_reference` is the gateway's own id of it. `action` is the customer's action, `cancel_asked` the reason to
    end it without money, `resend` how many send keys the gateway has spent.
    """

    operation_id: UUID
    payment_id: int
    kind: Kind
    amount: Decimal
    currency: str
    status: OperationStatus
    gateway_key: str
    parent_key: str | None
    gateway_reference: str | None
    failure_message: str | None
    review_reason: str | None
    created_at: datetime
    terms: Terms = NO_TERMS
    action: Action | None = None
    cancel_asked: CancelReason | None = None
    resend: int = 0


@dataclass(frozen=True)
class IdempotencyKey:
    """A key's row at `looked_at` of the database's clock: its operation, its claim and its stored response.

    `leased`: its owner may still be working. `expired`: its stored response has ended. A `response_status` means that
    the key is finished; `response_data` is the response as sent, None if retention emptied it or it was never stored.
    """

    key_id: int
    channel: str
    subject: str
    key_hash: str
    is_client_key: bool
    request_path: str
    response_format: str
    fingerprint: str
    payment_id: int | None
    operation_id: UUID | None
    kind: Kind | None
    amount: Decimal | None
    currency: str | None
    operation_status: OperationStatus | None
    gateway_key: str | None
    parent_key: str | None
    gateway_reference: str | None
    failure_message: str | None
    review_reason: str | None
    purpose: Purpose | None
    terms: str | None = field(repr=False)
    action: str | None = field(repr=False)
    cancel_asked: CancelReason | None
    resend: int
    owner: str
    fence: int
    attempts: int
    leased_until: datetime
    response_status: int | None
    response_data: str | None
    created_at: datetime
    leased: bool
    expired: bool
    looked_at: datetime

    @property
    def operation(self) -> Operation | None:
        """The operation that the key asks for, or None."""
        if (
            self.operation_id is None
            or self.payment_id is None
            or self.kind is None
            or self.amount is None
            or self.currency is None
            or self.operation_status is None
            or self.gateway_key is None
        ):
            return None
        return Operation(
            operation_id=self.operation_id,
            payment_id=self.payment_id,
            kind=self.kind,
            amount=self.amount,
            currency=self.currency,
            status=self.operation_status,
            gateway_key=self.gateway_key,
            parent_key=self.parent_key,
            gateway_reference=self.gateway_reference,
            failure_message=self.failure_message,
            review_reason=self.review_reason,
            terms=Terms.read(self.terms),
            action=Action.read(self.action),
            cancel_asked=self.cancel_asked,
            resend=self.resend,
            created_at=self.created_at,
        )

    @property
    def quiet_for(self) -> float:
        """Seconds since an owner may last have sent something under this key; negative while one still may."""
        return (self.looked_at - self.leased_until).total_seconds()


@dataclass(frozen=True)
class Refund:
    """One refund as its caller sees it; `status` is PENDING, REFUNDED or FAILED."""

    refund_id: int
    payment_id: int
    key_hash: str
    amount: Decimal
    status: str
    reason: str | None
    public_reference: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class AuditEntry:
    """One row of a payment's audit trail: the `move`, the status it led to, and its amount."""

    transaction_log_id: int
    transaction_type: str
    move: Move
    status: Status
    amount: Decimal
    description: str
    created_at: datetime


@dataclass(frozen=True)
class PaymentContext:
    """All that an answer or event may show; `trail` is the audit trail, oldest first, if the channel shows it."""

    payment: Payment
    operation: Operation | None = None
    refund: Refund | None = None
    trail: Sequence[AuditEntry] = ()
    dispute: PaymentDispute | None = None

    @property
    def action(self) -> Action | None:
        """The customer's action, while the operation is open."""
        operation = self.operation
        return operation.action if operation and operation.status is OperationStatus.PENDING else None

    @property
    def failure_message(self) -> str | None:
        """The gateway's reason to decline the operation, which later messages about the payment do not change."""
        return self.operation.failure_message if self.operation else None


@dataclass(frozen=True)
class KeyStatus:
    """The use of a key in one channel. Of a purged key only the `payment` it is bound to is known.

    `response_status` is None without a final answer, and for a purged key.
    """

    channel: str
    is_purged: bool
    is_expired: bool
    created_at: datetime
    request_path: str | None = None
    response_status: int | None = None
    expires_at: datetime | None = None
    payment: Payment | None = None


@dataclass(frozen=True)
class StoredResponse:
    """A response as sent: HTTP status and the exact JSON text. `replayed`: an earlier request got it already."""

    status: int
    body: str
    replayed: bool = False
    retry_after: int | None = None
