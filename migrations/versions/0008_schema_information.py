"""What the tables ask of the program, and `digest()` for whoever reads the tables by hand.

Revision: 0008, after 0007
"""

import sqlalchemy as sa
import structlog
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MIN_CODE = "0008"
"""The oldest release that can work on these tables, by the newest migration that it knows."""


def upgrade() -> None:
    """Apply."""
    information = op.create_table(
        "schema_information",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("min_code", sa.String(length=32), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_schema_information_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schema_information")),
    )
    op.bulk_insert(information, [{"id": 1, "min_code": MIN_CODE}])
    if op.get_bind().dialect.name == "postgresql":
        _add_digest()


def _add_digest() -> None:
    """Add `digest()`, which the trips document's queries call, where this role may and the server has it."""
    try:
        with op.get_bind().begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pgcrypto")
    except sa.exc.DBAPIError as error:
        log = structlog.get_logger("payment_service.migrations")
        log.warning("migrations.without_pgcrypto", why=str(error.orig).strip())


def downgrade() -> None:
    """Take back. The extension stays: others may use it."""
    op.drop_table("schema_information")
