"""What a restore needs: numbers that can be left out on SQLite, and a table of movements that a back-up has lost.

Revision: 0013, after 0012. A release before it may work beside it, but after a restore only once a payment was made: on
SQLite it gives the number after the largest one that it finds.
"""

import sqlalchemy as sa
from alembic import op

from payment_service.sqltypes import Money, UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COUNTED = ("payments", "payment_refunds", "transactions")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "lost_movements",
        sa.Column("gateway_key", sa.String(64), primary_key=True),
        sa.Column("gateway", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("amount", Money(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("reference", sa.String(255)),
        sa.Column("created_at", UtcDateTime(), nullable=False),
    )
    _copy(autoincrement=True)


def downgrade() -> None:
    """Take back."""
    _copy(autoincrement=False)
    op.drop_table("lost_movements")


def _copy(*, autoincrement: bool) -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for table in COUNTED:
        op.execute(f"DELETE FROM sqlite_sequence WHERE name = '{table}'")
        with op.batch_alter_table(table, recreate="always", table_kwargs={"sqlite_autoincrement": autoincrement}):
            pass
