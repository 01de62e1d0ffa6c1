"""The rows the engine works with, as values. Amounts are Decimals in major units, times are aware UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from payment_service.domain.deliveries import WebhookRequest
from payment_service.domain.lifecycle import Move, Status
from payment_service.domain.operations import Kind, OperationStatus, Purpose


@dataclass(frozen=True)
class Payment:
    """One payment as its row stands; `metadata` is what the caller sent along, already free of card numbers.

    `charge_key` is the gateway key of its charge or authorization, None before there is one. `caller_reference` is an
    id that the caller gave with a change of its status.
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
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None = None
    authorized_at: datetime | None = None
    captured_at: datetime | None = None
    refunded_at: datetime | None = None

    @property
    def refundable(self) -> Decimal:
        """What a further refund may ask for: reservations of refunds under way already count."""
        return self.captured_amount - self.refunded_amount - self.refund_pending_amount


@dataclass(frozen=True)
class Operation:
    """One money movement: asked under `gateway_key`, belonging to the movement `parent_key` (capture, void, refund)."""

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


@dataclass(frozen=True)
class IdempotencyKey:
    """A key's row at `looked_at` of the database's clock: its operation, its claim and its cached response.

    `leased`: its owner may still be working. `expired`: its cached response has ended. A `response_status` means that
    the key is finished; `response_data` is the response as sent, None where it was purged or never stored.
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
        """The money movement that the key asks for, None where it asks for none."""
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
            created_at=self.created_at,
        )

    @property
    def quiet_for(self) -> float:
        """Seconds since anybody may have sent something under this key; negative while somebody still may."""
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
    """One row of a payment's audit trail: the `move`, the status it led to, and the amount it was about."""

    transaction_log_id: int
    transaction_type: str
    move: Move
    status: Status
    amount: Decimal
    description: str
    created_at: datetime


@dataclass(frozen=True)
class PaymentContext:
    """All that an answer or an event may speak of: the payment, and the operation and refund it is about.

    `trail` is the payment's audit trail, oldest first, where the channel shows it.
    """

    payment: Payment
    operation: Operation | None = None
    refund: Refund | None = None
    trail: Sequence[AuditEntry] = ()

    @property
    def failure_message(self) -> str | None:
        """Why the gateway declined the operation, whatever was said of the payment since."""
        return self.operation.failure_message if self.operation else None


@dataclass(frozen=True)
class KeyStatus:
    """What a key was used for in one channel. Of a purged key only the `payment` it is bound to is known.

    `response_status` is None while nothing was answered finally, and for a purged key.
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
    """A response as sent: HTTP status and the exact JSON text. `replayed` answers were given before."""

    status: int
    body: str
    replayed: bool = False
    retry_after: int | None = None


@dataclass(frozen=True)
class Event:
    """The event of a change: its type (`payment.completed`) and its data, frozen when it happened.

    `data` is for brokers, which get every event; `webhooks` are for single downstream services. `payment_ref` is the id
    by which the channel's callers know the payment, where that is not its number. Events of one `ordering_key` reach a
    sink in their order; where the channel names none, each payment has its own.
    """

    type: str
    data: Mapping[str, Any]
    webhooks: tuple[WebhookRequest, ...] = ()
    payment_ref: str | None = None
    ordering_key: str | None = None
