"""The tables of the first release.

Revision: 0001, the beginning
"""

import sqlalchemy as sa
from alembic import op

from payment_service.sqltypes import Identity64, Money, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "idempotency_keys",
        sa.Column("key_id", Identity64, nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("request_path", sa.String(length=255), nullable=False),
        sa.Column("rendering", sa.String(length=40), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("payment_id", Identity64, nullable=True),
        sa.Column("operation_id", sa.Uuid(), nullable=True),
        sa.Column("owner", sa.String(length=32), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("leased_until", UtcDateTime(), nullable=False),
        sa.Column("recover_at", UtcDateTime(), nullable=False),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("response_data", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "(response_status IS NULL) = (response_data IS NULL) AND (response_status IS NULL) = (expires_at IS NULL)",
            name=op.f("ck_idempotency_keys_response_whole"),
        ),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_idempotency_keys")),
        sa.UniqueConstraint(
            "channel", "subject", "key_hash", name=op.f("uq_idempotency_keys_channel_subject_key_hash")
        ),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"], unique=False)
    op.create_index(
        "ix_idempotency_keys_unfinished",
        "idempotency_keys",
        ["recover_at"],
        unique=False,
        postgresql_where=sa.text("response_status IS NULL"),
        sqlite_where=sa.text("response_status IS NULL"),
    )
    op.create_table(
        "payments",
        sa.Column("payment_id", Identity64, nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("payable_id", sa.String(length=255), nullable=False),
        sa.Column("customer_id", sa.String(length=255), nullable=True),
        sa.Column("amount", Money(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("method", sa.String(length=50), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("authorized_amount", Money(), nullable=False),
        sa.Column("captured_amount", Money(), nullable=False),
        sa.Column("refunded_amount", Money(), nullable=False),
        sa.Column("refund_pending_amount", Money(), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.Column("reference_is_unique", sa.Boolean(), nullable=False),
        sa.Column("payable_is_unique", sa.Boolean(), nullable=False),
        sa.Column("transaction_id", sa.String(length=64), nullable=True),
        sa.Column("payment_intent_id", sa.String(length=64), nullable=True),
        sa.Column("authorization_code", sa.String(length=255), nullable=True),
        sa.Column("gateway_response", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.String(length=255), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.Column("idempotency_hash", sa.String(length=64), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("completed_at", UtcDateTime(), nullable=True),
        sa.Column("authorized_at", UtcDateTime(), nullable=True),
        sa.Column("captured_at", UtcDateTime(), nullable=True),
        sa.Column("refunded_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "status IN ('PENDING', 'PROCESSING', 'AUTHORIZED', 'CAPTURED', 'PARTIALLY_REFUNDED', 'REFUNDED',"
            " 'FAILED', 'CANCELLED')",
            name=op.f("ck_payments_status_known"),
        ),
        sa.CheckConstraint("amount >= 0 AND captured_amount >= 0", name=op.f("ck_payments_amounts_not_negative")),
        sa.CheckConstraint(
            "refunded_amount >= 0 AND refund_pending_amount >= 0 AND refunded_amount + refund_pending_amount <="
            " captured_amount AND captured_amount <= amount AND authorized_amount <= amount",
            name=op.f("ck_payments_money_conserved"),
        ),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_payments")),
        sa.UniqueConstraint(
            "channel", "subject", "idempotency_hash", name=op.f("uq_payments_channel_subject_idempotency_hash")
        ),
        sa.UniqueConstraint("channel", "transaction_id", name=op.f("uq_payments_channel_transaction_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_payments_public_id")),
    )
    op.create_index("ix_payments_channel_payable_id", "payments", ["channel", "payable_id", "payment_id"], unique=False)
    op.create_index("ix_payments_channel_subject", "payments", ["channel", "subject", "payment_id"], unique=False)
    op.create_index(
        "uq_payments_live_payable",
        "payments",
        ["channel", "payable_id"],
        unique=True,
        postgresql_where=sa.text("payable_is_unique AND status NOT IN ('FAILED', 'CANCELLED')"),
        sqlite_where=sa.text("payable_is_unique AND status NOT IN ('FAILED', 'CANCELLED')"),
    )
    op.create_index(
        "uq_payments_reference",
        "payments",
        ["channel", "reference"],
        unique=True,
        postgresql_where=sa.text("reference_is_unique"),
        sqlite_where=sa.text("reference_is_unique"),
    )
    op.create_table(
        "users",
        sa.Column("user_id", Identity64, nullable=False),
        sa.Column("auth_user_id", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("is_verified", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
        sa.UniqueConstraint("auth_user_id", name=op.f("uq_users_auth_user_id")),
    )
    op.create_table(
        "operations",
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", Identity64, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("amount", Money(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("gateway_key", sa.String(length=64), nullable=False),
        sa.Column("parent_key", sa.String(length=64), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("gateway_reference", sa.String(length=255), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("review_reason", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('charge', 'authorize', 'capture', 'void', 'refund')", name=op.f("ck_operations_kind_known")
        ),
        sa.CheckConstraint("status IN ('PENDING', 'SUCCEEDED', 'FAILED')", name=op.f("ck_operations_status_known")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.payment_id"], name=op.f("fk_operations_payment_id")),
        sa.PrimaryKeyConstraint("operation_id", name=op.f("pk_operations")),
        sa.UniqueConstraint("gateway_key", name=op.f("uq_operations_gateway_key")),
    )
    op.create_index(op.f("ix_operations_payment_id"), "operations", ["payment_id"], unique=False)
    op.create_table(
        "outbox_events",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", Identity64, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("event_type", sa.String(length=60), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.payment_id"], name=op.f("fk_outbox_events_payment_id")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_outbox_events")),
        sa.UniqueConstraint("payment_id", "version", name=op.f("uq_outbox_events_payment_id_version")),
    )
    op.create_table(
        "transactions",
        sa.Column("transaction_log_id", Identity64, nullable=False),
        sa.Column("payment_id", Identity64, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("transaction_type", sa.String(length=20), nullable=False),
        sa.Column("move", sa.String(length=30), nullable=False),
        sa.Column("from_status", sa.String(length=20), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("amount", Money(), nullable=False),
        sa.Column("captured_amount", Money(), nullable=False),
        sa.Column("refunded_amount", Money(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('PENDING', 'PROCESSING', 'AUTHORIZED', 'CAPTURED', 'PARTIALLY_REFUNDED', 'REFUNDED',"
            " 'FAILED', 'CANCELLED')",
            name=op.f("ck_transactions_status_known"),
        ),
        sa.CheckConstraint(
            "transaction_type IN ('PAYMENT', 'REFUND')", name=op.f("ck_transactions_transaction_type_known")
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.payment_id"], name=op.f("fk_transactions_payment_id")),
        sa.PrimaryKeyConstraint("transaction_log_id", name=op.f("pk_transactions")),
        sa.UniqueConstraint("payment_id", "version", name=op.f("uq_transactions_payment_id_version")),
    )
    op.create_table(
        "payment_refunds",
        sa.Column("refund_id", Identity64, nullable=False),
        sa.Column("payment_id", Identity64, nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("idempotency_hash", sa.String(length=64), nullable=True),
        sa.Column("amount", Money(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("public_reference", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("status IN ('PENDING', 'REFUNDED', 'FAILED')", name=op.f("ck_payment_refunds_status_known")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_refunds_amount_positive")),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operations.operation_id"], name=op.f("fk_payment_refunds_operation_id")
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.payment_id"], name=op.f("fk_payment_refunds_payment_id")),
        sa.PrimaryKeyConstraint("refund_id", name=op.f("pk_payment_refunds")),
        sa.UniqueConstraint(
            "channel", "subject", "idempotency_hash", name=op.f("uq_payment_refunds_channel_subject_idempotency_hash")
        ),
        sa.UniqueConstraint("operation_id", name=op.f("uq_payment_refunds_operation_id")),
        sa.UniqueConstraint("public_reference", name=op.f("uq_payment_refunds_public_reference")),
    )
    op.create_index(op.f("ix_payment_refunds_payment_id"), "payment_refunds", ["payment_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_index(op.f("ix_payment_refunds_payment_id"), table_name="payment_refunds")
    op.drop_table("payment_refunds")
    op.drop_table("transactions")
    op.drop_table("outbox_events")
    op.drop_index(op.f("ix_operations_payment_id"), table_name="operations")
    op.drop_table("operations")
    op.drop_table("users")
    op.drop_index(
        "uq_payments_reference",
        table_name="payments",
        postgresql_where=sa.text("reference_is_unique"),
        sqlite_where=sa.text("reference_is_unique"),
    )
    op.drop_index(
        "uq_payments_live_payable",
        table_name="payments",
        postgresql_where=sa.text("payable_is_unique AND status NOT IN ('FAILED', 'CANCELLED')"),
        sqlite_where=sa.text("payable_is_unique AND status NOT IN ('FAILED', 'CANCELLED')"),
    )
    op.drop_index("ix_payments_channel_subject", table_name="payments")
    op.drop_index("ix_payments_channel_payable_id", table_name="payments")
    op.drop_table("payments")
    op.drop_index(
        "ix_idempotency_keys_unfinished",
        table_name="idempotency_keys",
        postgresql_where=sa.text("response_status IS NULL"),
        sqlite_where=sa.text("response_status IS NULL"),
    )
    op.drop_index("ix_idempotency_keys_expires_at", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
