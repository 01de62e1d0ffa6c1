"""The last request of an operator's session, so that it ends by idleness.

Revision: 0014, after 0013. It adds a column. The release before works beside it, and its sessions count from their
beginning.
"""

import sqlalchemy as sa
from alembic import op

from payment_service.sqltypes import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("operator_sessions", sa.Column("seen_at", UtcDateTime()))


def downgrade() -> None:
    """Take back: sessions end by their longest time alone."""
    op.drop_column("operator_sessions", "seen_at")
