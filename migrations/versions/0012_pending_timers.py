"""Timers of payments that their callers have not charged.

Revision: 0012, after 0011. A release before it may work beside it: it looks at its own kinds of timers only.
"""

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

from payment_service import clock
from payment_service.sqltypes import UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

GRACE = timedelta(days=1)
"""How long a payment may still wait that an older release made: its caller knows of no end yet."""


def upgrade() -> None:
    """Apply."""
    _allow("'recover', 'hold', 'pending'")
    due_at = sa.bindparam("due_at", clock.now() + GRACE, UtcDateTime())
    op.get_bind().execute(
        sa.text(
            "INSERT INTO timers (kind, what, attempts, due_at)"
            " SELECT 'pending', payment_id, 0, :due_at FROM payments WHERE status = 'PENDING'"
        ).bindparams(due_at)
    )


def downgrade() -> None:
    """Take back."""
    op.execute("DELETE FROM timers WHERE kind = 'pending'")
    _allow("'recover', 'hold'")


def _allow(kinds: str) -> None:
    name = op.f("ck_timers_kind_known")
    with op.batch_alter_table("timers") as timers:
        timers.drop_constraint(name, type_="check")
        timers.create_check_constraint(name, f"kind IN ({kinds})")
