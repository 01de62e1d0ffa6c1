"""Reversals, messages that no queue takes, and the caller's own references.

Revision: 0008, after 0007. Running releases go on beside it: it adds columns and allows one status more.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATUSES = "status IN ('PENDING', 'DELIVERED', 'DEAD', 'UNROUTED')"
OLD_STATUSES = "status IN ('PENDING', 'DELIVERED', 'DEAD')"


def upgrade() -> None:
    """Apply."""
    op.drop_index("ix_outbox_deliveries_dead", "outbox_deliveries")
    _allow(STATUSES)
    _index("given_up", "sink", "status", "delivery_id", where="status IN ('DEAD', 'UNROUTED')")
    with op.batch_alter_table("payments") as payments:
        payments.add_column(sa.Column("caller_reference", sa.String(64)))
    with op.batch_alter_table("transactions") as transactions:
        transactions.add_column(sa.Column("caller_note", sa.Text()))
    with op.batch_alter_table("idempotency_keys", table_kwargs={"sqlite_autoincrement": True}) as keys:
        keys.add_column(sa.Column("purpose", sa.String(20)))


def downgrade() -> None:
    """Take back. What no queue took is dead to the release before."""
    with op.batch_alter_table("idempotency_keys", table_kwargs={"sqlite_autoincrement": True}) as keys:
        keys.drop_column("purpose")
    with op.batch_alter_table("transactions") as transactions:
        transactions.drop_column("caller_note")
    with op.batch_alter_table("payments") as payments:
        payments.drop_column("caller_reference")
    op.drop_index("ix_outbox_deliveries_given_up", "outbox_deliveries")
    op.execute("UPDATE outbox_deliveries SET status = 'DEAD' WHERE status = 'UNROUTED'")
    _allow(OLD_STATUSES)
    _index("dead", "sink", "delivery_id", where="status = 'DEAD'")


def _allow(statuses: str) -> None:
    name = op.f("ck_outbox_deliveries_status_known")
    with op.batch_alter_table("outbox_deliveries") as deliveries:
        deliveries.drop_constraint(name, type_="check")
        deliveries.create_check_constraint(name, statuses)


def _index(name: str, *columns: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(
        f"ix_outbox_deliveries_{name}",
        "outbox_deliveries",
        list(columns),
        postgresql_where=condition,
        sqlite_where=condition,
    )
