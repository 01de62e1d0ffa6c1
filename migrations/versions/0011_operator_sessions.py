"""Sessions of operators that end by time, by sign-out and by revocation.

Revision: 0011, after 0010. It adds two tables. The release before works beside it; its cookies end with it.
"""

import sqlalchemy as sa
from alembic import op

from payment_service.sqltypes import Identity64, UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "operator_sessions",
        sa.Column("session_hash", sa.String(64), primary_key=True),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("way", sa.String(10), nullable=False),
        sa.Column("issued_at", UtcDateTime(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=False),
        sa.Column("signed_out_at", UtcDateTime()),
        sa.CheckConstraint("way IN ('PROVIDER', 'TOKEN')", name=op.f("ck_operator_sessions_way_known")),
    )
    op.create_index(op.f("ix_operator_sessions_subject"), "operator_sessions", ["subject"])
    op.create_index("ix_operator_sessions_ends_at", "operator_sessions", ["ends_at"])
    op.create_table(
        "operator_revocations",
        sa.Column("revocation_id", Identity64, primary_key=True),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=False),
    )
    op.create_index("ix_operator_revocations_subject", "operator_revocations", ["subject", "revoked_at"])


def downgrade() -> None:
    """Take back: every operator signs in anew."""
    op.drop_table("operator_revocations")
    op.drop_table("operator_sessions")
