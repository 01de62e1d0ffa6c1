"""Reversals, messages that no queue takes, and the caller's own references.

Revision: 0008, after 0007. Running releases go on beside it: it adds columns and allows one status more.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INDEX = "ix_outbox_deliveries_unrouted"
STATUSES = "status IN ('PENDING', 'DELIVERED', 'DEAD', 'UNROUTED')"
OLD_STATUSES = "status IN ('PENDING', 'DELIVERED', 'DEAD')"


def upgrade() -> None:
    """Apply."""
    _allow(STATUSES)
    condition = sa.text("status = 'UNROUTED'")
    op.create_index(
        INDEX, "outbox_deliveries", ["sink", "delivery_id"], postgresql_where=condition, sqlite_where=condition
    )
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
    op.drop_index(INDEX, "outbox_deliveries")
    op.execute("UPDATE outbox_deliveries SET status = 'DEAD' WHERE status = 'UNROUTED'")
    _allow(OLD_STATUSES)


def _allow(statuses: str) -> None:
    name = op.f("ck_outbox_deliveries_status_known")
    with op.batch_alter_table("outbox_deliveries") as deliveries:
        deliveries.drop_constraint(name, type_="check")
        deliveries.create_check_constraint(name, statuses)
