"""SQLite counts payments, refunds and journal rows itself, as PostgreSQL does: a number can be left out.

Revision: 0013, after 0012. A release before it may work beside it.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COUNTED = ("payments", "payment_refunds", "transactions")


def upgrade() -> None:
    """Apply."""
    _copy(autoincrement=True)


def downgrade() -> None:
    """Take back."""
    _copy(autoincrement=False)


def _copy(*, autoincrement: bool) -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for table in COUNTED:
        with op.batch_alter_table(table, recreate="always", table_kwargs={"sqlite_autoincrement": autoincrement}):
            pass
