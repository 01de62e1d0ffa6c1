"""What commercial gateways need: whose a payment is, their own ids, customers who must act, notices and disputes.

Revision: 0009, after 0008. It adds columns, a status and tables; the release before must not run beside it.
"""

import sqlalchemy as sa
from alembic import op

from payment_service.sqltypes import Identity64, Money, UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

LEGACY = "legacy"
"""The gateway of every payment charged before: operators say by LEGACY_GATEWAY which one that was."""

OLD_STATUSES = (
    "PENDING",
    "PROCESSING",
    "AUTHORIZED",
    "CAPTURED",
    "PARTIALLY_REFUNDED",
    "REFUNDED",
    "FAILED",
    "CANCELLED",
)
STATUSES = (*OLD_STATUSES[:2], "REQUIRES_ACTION", *OLD_STATUSES[2:])


def upgrade() -> None:
    """Apply."""
    _add_to_payments()
    with op.batch_alter_table("idempotency_keys", table_kwargs={"sqlite_autoincrement": True}) as keys:
        keys.add_column(sa.Column("terms", sa.Text()))
        keys.add_column(sa.Column("action", sa.Text()))
        keys.add_column(sa.Column("cancel_asked", sa.String(20)))
        keys.add_column(sa.Column("resend", sa.Integer(), nullable=False, server_default="0"))
    _allow("timers", "kind", ("recover", "hold"))
    op.create_table(
        "gateway_notices",
        sa.Column("notice_id", Identity64, primary_key=True),
        sa.Column("gateway", sa.String(40), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("gateway_key", sa.String(64)),
        sa.Column("reference", sa.String(255)),
        sa.Column("content", sa.Text()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime()),
        sa.UniqueConstraint("gateway", "event_id", name=op.f("uq_gateway_notices_gateway_event_id")),
    )
    waiting = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_gateway_notices_due", "gateway_notices", ["due_at"], postgresql_where=waiting, sqlite_where=waiting
    )
    op.create_index("ix_gateway_notices_gateway_key", "gateway_notices", ["gateway_key"])
    op.create_table(
        "disputes",
        sa.Column("dispute_id", Identity64, primary_key=True),
        sa.Column("gateway", sa.String(40), nullable=False),
        sa.Column("reference", sa.String(255), nullable=False),
        sa.Column("payment_id", Identity64, nullable=False),
        sa.Column("amount", Money(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("reason", sa.String(100)),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("gateway_status", sa.String(40), nullable=False),
        sa.Column("evidence_due_at", UtcDateTime()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.UniqueConstraint("gateway", "reference", name=op.f("uq_disputes_gateway_reference")),
        sa.CheckConstraint("status IN ('OPEN', 'WON', 'LOST')", name=op.f("ck_disputes_status_known")),
    )
    op.create_index("ix_disputes_payment_id", "disputes", ["payment_id"])
    is_open = sa.text("status = 'OPEN'")
    op.create_index("ix_disputes_open", "disputes", ["created_at"], postgresql_where=is_open, sqlite_where=is_open)
    op.create_table(
        "reconciliations",
        sa.Column("reconciliation_id", Identity64, primary_key=True),
        sa.Column("gateway", sa.String(40), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("movements", sa.Integer(), nullable=False),
        sa.Column("differences", sa.Integer(), nullable=False),
        sa.Column("is_complete", sa.Boolean(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=False),
    )
    op.execute("UPDATE schema_information SET min_code = '0009'")


def _add_to_payments() -> None:
    """Add the columns; PostgreSQL writes no row for a constant default, however many payments there are."""
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    with op.batch_alter_table("payments") as payments:
        payments.add_column(sa.Column("gateway", sa.String(40), server_default=LEGACY if is_postgresql else None))
        payments.add_column(sa.Column("charge_reference", sa.String(255)))
        payments.add_column(sa.Column("hold_expires_at", UtcDateTime()))
        payments.add_column(sa.Column("disputed_amount", Money(), nullable=False, server_default="0"))
        payments.add_column(sa.Column("charged_back_amount", Money(), nullable=False, server_default="0"))
    if is_postgresql:
        op.alter_column("payments", "gateway", server_default=None)
    else:
        op.execute(f"UPDATE payments SET gateway = '{LEGACY}'")
    _allow("payments", "status", STATUSES)


def downgrade() -> None:
    """Take back, unless a commercial gateway has a payment: the release before would send its refund elsewhere."""
    commercial = sa.text("SELECT 1 FROM payments WHERE gateway NOT IN ('legacy', 'remote', 'simulated') LIMIT 1")
    if op.get_bind().execute(commercial).scalar():
        raise RuntimeError("0009 cannot be taken back once a commercial gateway was used: restore the back-up")
    for table in ("reconciliations", "disputes", "gateway_notices"):
        op.drop_table(table)
    op.execute("DELETE FROM timers WHERE kind = 'hold'")
    _allow("timers", "kind", ("recover",))
    with op.batch_alter_table("idempotency_keys", table_kwargs={"sqlite_autoincrement": True}) as keys:
        for name in ("resend", "cancel_asked", "action", "terms"):
            keys.drop_column(name)
    _allow("payments", "status", OLD_STATUSES)
    with op.batch_alter_table("payments") as payments:
        for name in ("charged_back_amount", "disputed_amount", "hold_expires_at", "charge_reference", "gateway"):
            payments.drop_column(name)
    op.execute("UPDATE schema_information SET min_code = '0008'")


def _allow(table: str, column: str, words: tuple[str, ...]) -> None:
    name = op.f(f"ck_{table}_{column}_known")
    listed = ", ".join(f"'{word}'" for word in words)
    with op.batch_alter_table(table) as changed:
        changed.drop_constraint(name, type_="check")
        changed.create_check_constraint(name, f"{column} IN ({listed})")
