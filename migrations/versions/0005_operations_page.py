"""What people who look after the service need: figures by hour, payments by reference, keys by hash, what was done.

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

from payment_service.sqltypes import Identity64, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NOT_UNIQUE = sa.text("NOT reference_is_unique")


def upgrade() -> None:
    """Apply."""
    op.add_column("tally_marks", sa.Column("happened_at", UtcDateTime(), nullable=True))
    op.create_table(
        "hourly_tallies",
        sa.Column("hour", UtcDateTime(), nullable=False),
        sa.Column("move", sa.String(length=30), nullable=False),
        sa.Column("from_status", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "move", "from_status", "status", name=op.f("pk_hourly_tallies")),
    )
    op.create_table(
        "operator_actions",
        sa.Column("action_id", Identity64, nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("payment_id", Identity64, nullable=False),
        sa.Column("delivery_id", Identity64, nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("action IN ('REPLAY')", name=op.f("ck_operator_actions_action_known")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.payment_id"], name=op.f("fk_operator_actions_payment_id")),
        sa.PrimaryKeyConstraint("action_id", name=op.f("pk_operator_actions")),
    )
    op.create_index(op.f("ix_operator_actions_payment_id"), "operator_actions", ["payment_id"])
    op.create_index(
        "ix_payments_reference",
        "payments",
        ["reference", "payment_id"],
        postgresql_where=NOT_UNIQUE,
        sqlite_where=NOT_UNIQUE,
    )
    op.create_index("ix_idempotency_keys_key_hash", "idempotency_keys", ["key_hash"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_idempotency_keys_key_hash", "idempotency_keys")
    op.drop_index("ix_payments_reference", "payments")
    op.drop_table("operator_actions")
    op.drop_table("hourly_tallies")
    with op.batch_alter_table("tally_marks") as marks:
        marks.drop_column("happened_at")
