"""The tables at a glance, with the constraints that hold even if the program is wrong.

Column names follow the callers' documents where these name them. All SQL lives in `repositories/`.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from payment_service.db import metadata
from payment_service.domain.lifecycle import Status
from payment_service.domain.operations import Kind, OperationStatus
from payment_service.models.columns import moment, money, one_of, partial
from payment_service.models.counted import hourly_tallies, tallies, tally_marks
from payment_service.models.outbox import outbox_deliveries, outbox_events
from payment_service.sqltypes import Identity64

__all__ = [
    "hourly_tallies",
    "idempotency_keys",
    "metadata",
    "operations",
    "operator_actions",
    "outbox_deliveries",
    "outbox_events",
    "payment_refunds",
    "payments",
    "tallies",
    "tally_marks",
    "transactions",
    "users",
]

REFUND_STATUSES = ("PENDING", "REFUNDED", "FAILED")
OPERATOR_ACTIONS = ("REPLAY",)
LIVE_AND_ONLY = "payable_is_unique AND status NOT IN ('FAILED', 'CANCELLED')"

payments = Table(
    "payments",
    metadata,
    Column("payment_id", Identity64, primary_key=True),
    Column("public_id", Uuid, nullable=False, unique=True),
    Column("channel", String(20), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("payable_id", String(255), nullable=False),
    Column("customer_id", String(255)),
    money("amount"),
    Column("currency", String(3), nullable=False),
    Column("method", String(50), nullable=False),
    Column("status", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    money("authorized_amount"),
    money("captured_amount"),
    money("refunded_amount"),
    money("refund_pending_amount"),
    Column("reference", String(255), nullable=False),
    # True where the channel promises that no two payments share the reference, or the payable.
    Column("reference_is_unique", Boolean, nullable=False),
    Column("payable_is_unique", Boolean, nullable=False),
    Column("transaction_id", String(64)),
    Column("payment_intent_id", String(64)),
    Column("authorization_code", String(255)),
    Column("gateway_response", Text),
    Column("failure_code", String(255)),
    Column("metadata", Text),
    Column("idempotency_hash", String(64)),
    Column("fingerprint", Text),
    moment("created_at"),
    moment("updated_at"),
    moment("completed_at", nullable=True),
    moment("authorized_at", nullable=True),
    moment("captured_at", nullable=True),
    moment("refunded_at", nullable=True),
    one_of("status", Status),
    CheckConstraint("amount >= 0 AND captured_amount >= 0", name="amounts_not_negative"),
    CheckConstraint(
        "refunded_amount >= 0 AND refund_pending_amount >= 0"
        " AND refunded_amount + refund_pending_amount <= captured_amount"
        " AND captured_amount <= amount AND authorized_amount <= amount",
        name="money_conserved",
    ),
    # The binding of key to payment outlives the cached answer, for ever.
    UniqueConstraint("idempotency_hash", "channel", "subject"),
    UniqueConstraint("channel", "transaction_id"),
    Index("ix_payments_channel_payable_id", "channel", "payable_id", "payment_id"),
    Index("ix_payments_channel_subject", "channel", "subject", "payment_id"),
    # Between them these two find a payment by its reference, each row in one of them only.
    partial("ix_payments_reference", "reference", "payment_id", where="NOT reference_is_unique"),
    partial("uq_payments_reference", "channel", "reference", where="reference_is_unique", unique=True),
    partial("uq_payments_live_payable", "channel", "payable_id", where=LIVE_AND_ONLY, unique=True),
)

operations = Table(
    "operations",
    metadata,
    Column("operation_id", Uuid, primary_key=True),
    Column("payment_id", ForeignKey("payments.payment_id"), nullable=False, index=True),
    Column("kind", String(20), nullable=False),
    money("amount"),
    Column("currency", String(3), nullable=False),
    Column("status", String(20), nullable=False),
    Column("gateway_key", String(64), nullable=False, unique=True),
    Column("parent_key", String(64)),
    Column("fingerprint", Text, nullable=False),
    Column("gateway_reference", String(255)),
    Column("failure_message", Text),
    Column("review_reason", Text),
    moment("created_at"),
    moment("updated_at"),
    one_of("kind", Kind),
    one_of("status", OperationStatus),
)

payment_refunds = Table(
    "payment_refunds",
    metadata,
    Column("refund_id", Identity64, primary_key=True),
    Column("payment_id", ForeignKey("payments.payment_id"), nullable=False, index=True),
    Column("operation_id", ForeignKey("operations.operation_id"), nullable=False, unique=True),
    Column("channel", String(20), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("idempotency_hash", String(64)),
    money("amount"),
    Column("status", String(20), nullable=False),
    Column("reason", Text),
    Column("public_reference", String(64), nullable=False, unique=True),
    moment("created_at"),
    moment("updated_at"),
    one_of("status", REFUND_STATUSES),
    CheckConstraint("amount > 0", name="amount_positive"),
    UniqueConstraint("channel", "subject", "idempotency_hash"),
)

transactions = Table(
    "transactions",
    metadata,
    Column("transaction_log_id", Identity64, primary_key=True),
    Column("payment_id", ForeignKey("payments.payment_id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("transaction_type", String(20), nullable=False),
    Column("move", String(30), nullable=False),
    Column("from_status", String(20)),
    Column("status", String(20), nullable=False),
    money("amount"),
    money("captured_amount"),
    money("refunded_amount"),
    Column("operation_id", Uuid),
    Column("description", Text, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("request_id", String(64)),
    moment("created_at"),
    UniqueConstraint("payment_id", "version"),
    one_of("transaction_type", ("PAYMENT", "REFUND")),
    one_of("status", Status),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key_id", Identity64, primary_key=True),
    Column("channel", String(20), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("key_hash", String(64), nullable=False),
    Column("request_path", String(255), nullable=False),
    Column("rendering", String(40), nullable=False),
    Column("fingerprint", Text, nullable=False),
    # No foreign keys: the key row is written first, and the audit of a purged key needs neither.
    Column("payment_id", Identity64),
    Column("operation_id", Uuid),
    Column("owner", String(32), nullable=False),
    Column("fence", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    moment("leased_until"),
    moment("recover_at"),
    Column("response_status", Integer),
    Column("response_data", Text),
    moment("created_at"),
    moment("updated_at"),
    moment("expires_at", nullable=True),
    UniqueConstraint("channel", "subject", "key_hash"),
    CheckConstraint(
        "(response_status IS NULL) = (response_data IS NULL) AND (response_status IS NULL) = (expires_at IS NULL)",
        name="response_whole",
    ),
    partial("ix_idempotency_keys_unfinished", "recover_at", where="response_status IS NULL"),
    Index("ix_idempotency_keys_expires_at", "expires_at"),
    Index("ix_idempotency_keys_key_hash", "key_hash"),
)

users = Table(
    "users",
    metadata,
    Column("user_id", Identity64, primary_key=True),
    Column("auth_user_id", String(255), nullable=False, unique=True),
    Column("email", String(320)),
    Column("is_verified", Boolean, nullable=False),
    moment("created_at"),
    moment("updated_at"),
)

# What people did who look after the service: `actor` is the subject of their token.
operator_actions = Table(
    "operator_actions",
    metadata,
    Column("action_id", Identity64, primary_key=True),
    Column("action", String(20), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("payment_id", ForeignKey("payments.payment_id"), nullable=False, index=True),
    Column("delivery_id", Identity64, nullable=False),
    Column("request_id", String(64)),
    moment("created_at"),
    one_of("action", OPERATOR_ACTIONS),
)
