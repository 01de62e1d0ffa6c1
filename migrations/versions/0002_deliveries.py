"""Deliveries of events, and the bell that wakes the relay.

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op

from payment_service.sqltypes import Identity64, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PENDING = sa.text("status = 'PENDING'")

# One notification for each statement that inserts; PostgreSQL folds equal ones of a transaction into one.
BELL = """
CREATE FUNCTION ring_outbox_deliveries() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NOTIFY outbox_deliveries; RETURN NULL; END $$
"""
TRIGGER = """
CREATE TRIGGER outbox_deliveries_inserted AFTER INSERT ON outbox_deliveries
FOR EACH STATEMENT EXECUTE FUNCTION ring_outbox_deliveries()
"""


def upgrade() -> None:
    """Apply."""
    op.add_column("outbox_events", sa.Column("traceparent", sa.String(length=55), nullable=True))
    op.create_table(
        "outbox_deliveries",
        sa.Column("delivery_id", Identity64, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("sink", sa.String(length=30), nullable=False),
        sa.Column("stream", sa.String(length=300), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=True),
        sa.Column("path", sa.String(length=500), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("owner", sa.String(length=32), nullable=True),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("leased_until", UtcDateTime(), nullable=True),
        sa.Column("delivered_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('PENDING', 'DELIVERED', 'DEAD')", name=op.f("ck_outbox_deliveries_status_known")
        ),
        sa.ForeignKeyConstraint(["event_id"], ["outbox_events.event_id"], name=op.f("fk_outbox_deliveries_event_id")),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_outbox_deliveries")),
        sa.UniqueConstraint("event_id", "sink", name=op.f("uq_outbox_deliveries_event_id_sink")),
    )
    op.create_index(op.f("ix_outbox_deliveries_event_id"), "outbox_deliveries", ["event_id"])
    for name, columns in (("heads", ["sink", "stream", "delivery_id"]), ("waiting", ["sink", "delivery_id"])):
        op.create_index(
            f"ix_outbox_deliveries_{name}",
            "outbox_deliveries",
            columns,
            postgresql_where=PENDING,
            sqlite_where=PENDING,
        )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(BELL)
        op.execute(TRIGGER)


def downgrade() -> None:
    """Take back."""
    op.drop_table("outbox_deliveries")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION ring_outbox_deliveries()")
    with op.batch_alter_table("outbox_events") as outbox_events:
        outbox_events.drop_column("traceparent")
