"""The tables at a glance, with the constraints that hold even if the program is wrong.

Column names follow the callers' documents where these name them. All SQL lives in `repositories/`. No index and no
index predicate of `payments` or `idempotency_keys` contains a column that a charge changes: PostgreSQL then updates
their rows in place (HOT).
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
from payment_service.models.columns import LONGEST_VALUE, moment, money, one_of
from payment_service.models.counted import hourly_tallies, tallies, watermarks
from payment_service.models.due import timers
from payment_service.models.gateways import disputes, gateway_notices, lost_movements, reconciliations
from payment_service.models.outbox import outbox_deliveries
from payment_service.models.people import operator_actions, operator_revocations, operator_sessions, users
from payment_service.models.schema import schema_information
from payment_service.models.seals import journal_seals
from payment_service.sqltypes import Identity64, Money

__all__ = [
    "disputes",
    "gateway_notices",
    "hourly_tallies",
    "idempotency_keys",
    "journal_seals",
    "lost_movements",
    "metadata",
    "operator_actions",
    "operator_revocations",
    "operator_sessions",
    "outbox_deliveries",
    "payment_refunds",
    "payments",
    "reconciliations",
    "reservations",
    "schema_information",
    "tallies",
    "timers",
    "transactions",
    "users",
    "watermarks",
]

REFUND_STATUSES = ("PENDING", "REFUNDED", "FAILED")

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
    Column("transaction_id", String(64)),
    Column("payment_intent_id", String(64)),
    Column("authorization_code", String(255)),
    Column("gateway_response", Text),
    Column("failure_code", String(255)),
    Column("metadata", Text),
    # An id of the caller's own for the payment, such as the transaction_ref of a status change.
    Column("caller_reference", String(64)),
    # The hash of the client's key that made the payment; the binding itself is the key's row.
    Column("idempotency_hash", String(64)),
    # The gateway key of the charge or authorization: captures, voids and refunds name it as their parent.
    Column("charge_key", String(64)),
    # The gateway that has the money, and its id of the charge. NULL before a request to one.
    Column("gateway", String(40)),
    Column("charge_reference", String(255)),
    moment("hold_expires_at", nullable=True),
    # Sums of the payment's disputes: money that may be taken back, and money that was.
    Column("disputed_amount", Money(), nullable=False, server_default="0"),
    Column("charged_back_amount", Money(), nullable=False, server_default="0"),
    # The hash of its last journal row, and that of the payment itself together with it (domain/chain.py).
    Column("journal_hash", String(100)),
    Column("state_hash", String(100)),
    moment("created_at"),
    moment("updated_at"),
    moment("completed_at", nullable=True),
    moment("authorized_at", nullable=True),
    moment("captured_at", nullable=True),
    moment("refunded_at", nullable=True),
    one_of("status", Status),
    # One condition instead of several: PostgreSQL reads each anew for every row that it writes.
    CheckConstraint(
        "amount >= 0 AND captured_amount >= 0 AND refunded_amount >= 0 AND refund_pending_amount >= 0"
        " AND refunded_amount + refund_pending_amount <= captured_amount"
        " AND captured_amount <= amount AND authorized_amount <= amount",
        name="money_conserved",
    ),
    Index("ix_payments_channel_payable_id", "channel", "payable_id", "payment_id"),
    Index("ix_payments_channel_subject", "channel", "subject", "payment_id"),
    Index("ix_payments_reference", "reference", "payment_id"),
    sqlite_autoincrement=True,  # no number twice, also after a restore: callers keep it
)

# Values that no two payments of a channel may share: a reference, a payable that is being paid, a transaction id.
reservations = Table(
    "reservations",
    metadata,
    Column("channel", String(20), primary_key=True),
    Column("kind", String(20), primary_key=True),
    Column("value", String(LONGEST_VALUE), primary_key=True),
    Column("payment_id", Identity64, nullable=False),
)

payment_refunds = Table(
    "payment_refunds",
    metadata,
    Column("refund_id", Identity64, primary_key=True),
    Column("payment_id", ForeignKey("payments.payment_id"), nullable=False),
    # The scope of the key that asked for it, which need not be the payment's own subject's.
    Column("channel", String(20), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("key_hash", String(64), nullable=False),
    money("amount"),
    Column("status", String(20), nullable=False),
    Column("reason", Text),
    Column("public_reference", String(64), nullable=False, unique=True),
    Column("row_hash", String(100)),
    moment("created_at"),
    moment("updated_at"),
    one_of("status", REFUND_STATUSES),
    CheckConstraint("amount > 0", name="amount_positive"),
    UniqueConstraint("payment_id", "key_hash", "subject"),
    sqlite_autoincrement=True,
)

# The journal: each change of a payment is one row, for audit and event. An undecided attempt has no version and event.
transactions = Table(
    "transactions",
    metadata,
    Column("transaction_log_id", Identity64, primary_key=True),
    # No foreign key: the same transaction writes the payment, or locks it.
    Column("payment_id", Identity64, nullable=False),
    Column("version", Integer),
    Column("transaction_type", String(20), nullable=False),
    Column("move", String(30), nullable=False),
    Column("from_status", String(20)),
    Column("status", String(20), nullable=False),
    money("amount"),
    money("captured_amount"),
    money("refunded_amount"),
    Column("operation_id", Uuid),
    Column("description", Text, nullable=False),
    # The caller's own text, apart from ours: no caller can pass it off as the service's word.
    Column("caller_note", Text),
    Column("actor", String(255), nullable=False),
    Column("request_id", String(64)),
    Column("event_id", Uuid),
    Column("event_type", String(60)),
    Column("traceparent", String(55)),
    # The chain: the hash of the payment's row before, that of this row, and one that stands for the texts of a row with
    # a caller's note, so that they can be emptied.
    Column("previous_hash", String(100)),
    Column("row_hash", String(100)),
    Column("texts_hash", String(100)),
    moment("created_at"),
    UniqueConstraint("payment_id", "version"),
    UniqueConstraint("event_id"),
    CheckConstraint(
        "(version IS NULL) = (event_id IS NULL) AND (event_id IS NULL) = (event_type IS NULL)", name="event_whole"
    ),
    sqlite_autoincrement=True,
)

# A key with the one operation it asks for, its claim and its stored response: one row for good.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key_id", Identity64, primary_key=True),
    Column("channel", String(20), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("key_hash", String(64), nullable=False),
    # False for a request without a client's key: its hash is drawn, or names the operation itself.
    Column("is_client_key", Boolean, nullable=False),
    Column("request_path", String(255), nullable=False),
    Column("response_format", String(40), nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("payment_id", Identity64),
    Column("operation_id", Uuid),
    Column("kind", String(20)),
    Column("amount", Money()),
    Column("currency", String(3)),
    Column("operation_status", String(20)),
    Column("gateway_key", String(64)),
    Column("parent_key", String(64)),
    Column("gateway_reference", String(255)),
    Column("failure_message", Text),
    Column("review_reason", Text),
    # `told_false`: its caller saw, or may have seen, the charge fail, so any later owner reverses an approval.
    # `reversal`: the operation that does so. NULL for every other key.
    Column("purpose", String(20)),
    # The operation's terms at the gateway beside the money, and the customer's action; emptied at its end.
    Column("terms", Text),
    Column("action", Text),
    # Why the gateway is to cancel the operation: committed before any owner sends the cancel.
    Column("cancel_asked", String(20)),
    # How many send keys the gateway has spent on failures of its own.
    Column("resend", Integer, nullable=False, server_default="0"),
    Column("owner", String(32), nullable=False),
    Column("fence", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    moment("leased_until"),
    # Alone means finished; the response itself may have ended, or never been stored.
    Column("response_status", Integer),
    Column("response_data", Text),
    # The response's own hash lies apart: the response ends, the key stays.
    Column("row_hash", String(100)),
    Column("response_hash", String(100)),
    moment("expires_at"),
    moment("created_at"),
    moment("updated_at"),
    UniqueConstraint("key_hash", "channel", "subject"),
    UniqueConstraint("gateway_key"),
    CheckConstraint(
        "(kind IS NULL) = (gateway_key IS NULL) AND (kind IS NULL) = (operation_id IS NULL)"
        " AND (kind IS NULL) = (operation_status IS NULL)"
        " AND (response_data IS NULL OR response_status IS NOT NULL)",
        name="key_whole",
    ),
    Index("ix_idempotency_keys_payment_id", "payment_id"),
    Index("ix_idempotency_keys_operation_id", "operation_id"),
    # No number twice: retention deletes rows, and a watermark would have passed a new key that got an old number.
    sqlite_autoincrement=True,
)
