"""Find what is due, and not all that waits.

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PENDING = sa.text("status = 'PENDING'")


def upgrade() -> None:
    """Apply."""
    op.drop_index("ix_outbox_deliveries_waiting", "outbox_deliveries")
    _create("due", "sink", "due_at", "delivery_id")


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_outbox_deliveries_due", "outbox_deliveries")
    _create("waiting", "sink", "delivery_id")


def _create(name: str, *columns: str) -> None:
    op.create_index(
        f"ix_outbox_deliveries_{name}",
        "outbox_deliveries",
        list(columns),
        postgresql_where=PENDING,
        sqlite_where=PENDING,
    )
