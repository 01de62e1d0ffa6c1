"""What release 1.1.0 adds: reversals, messages without a queue, the caller's own references, which programs may work.

Revision: 0008, after 0007. It adds columns, a status and a table; the release before must not run beside it.
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
    # Release 1.0.0 told these callers that it failed; they sent no key and never ask again.
    op.execute(
        """
        UPDATE idempotency_keys SET purpose = 'told_false'
        WHERE channel = 'checkout' AND kind IN ('charge', 'authorize') AND NOT is_client_key
        AND response_status IS NULL
        """
    )
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
    """Take back. What no queue took is dead to the release before. The extension stays: others may use it."""
    if op.get_bind().execute(sa.text("SELECT 1 FROM idempotency_keys WHERE purpose IS NOT NULL LIMIT 1")).scalar():
        raise RuntimeError("0008 cannot be taken back once it has marked or reversed charges: restore the back-up")
    op.drop_table("schema_information")
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
    if op.get_bind().dialect.name == "postgresql":
        for table in ("outbox_deliveries", *_months()):
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
        op.create_check_constraint(name, "outbox_deliveries", statuses)
        return
    with op.batch_alter_table("outbox_deliveries") as deliveries:
        deliveries.drop_constraint(name, type_="check")
        deliveries.create_check_constraint(name, statuses)


def _months() -> list[str]:
    """The parts of a table that deploy/postgresql/by_month.sql divided: the first one keeps the constraint alone."""
    found = op.get_bind().exec_driver_sql(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'outbox_deliveries'::regclass"
    )
    return list(found.scalars())
