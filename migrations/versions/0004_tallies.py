"""Counting what happens to payments, and finding dead deliveries without looking at the others.

Revision: 0004, after 0003
"""

import sqlalchemy as sa
from alembic import op

from payment_service.sqltypes import Identity64, Money, MoneySum

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_outbox_deliveries_dead": ("delivery_id", sa.text("status = 'DEAD'")),
    "ix_outbox_deliveries_oldest": ("created_at", sa.text("status = 'PENDING'")),
}

# What has happened so far is in the audit trail: counted once here, and from now on as it happens. The words are those
# of `figures.method_label` when this was written.
SO_FAR = """
INSERT INTO tallies (channel, method, currency, move, from_status, status, times, amount)
SELECT channel, method, currency, move, from_status, status, count(*), sum(amount)
FROM (
    SELECT payments.channel, payments.currency, transactions.move, transactions.status, transactions.amount,
        coalesce(transactions.from_status, '') AS from_status,
        CASE WHEN upper(replace(replace(payments.method, ' ', '_'), '-', '_')) IN (
            'CARD', 'UPI', 'WALLET', 'CASH', 'NETBANKING', 'CREDIT_CARD', 'DEBIT_CARD', 'NET_BANKING', 'COD',
            'PAYPAL', 'STRIPE', 'UNSPECIFIED'
        ) THEN upper(replace(replace(payments.method, ' ', '_'), '-', '_')) ELSE 'OTHER' END AS method
    FROM transactions JOIN payments ON payments.payment_id = transactions.payment_id
) AS changes
GROUP BY channel, method, currency, move, from_status, status
"""


def counted() -> list[sa.Column[str]]:
    lengths = {"channel": 20, "method": 20, "currency": 3, "move": 30, "from_status": 20, "status": 20}
    return [sa.Column(name, sa.String(length=length), nullable=False) for name, length in lengths.items()]


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "tallies",
        *counted(),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("amount", MoneySum(), nullable=False),
        sa.PrimaryKeyConstraint(
            "channel", "method", "currency", "move", "from_status", "status", name=op.f("pk_tallies")
        ),
    )
    op.create_table(
        "tally_marks",
        sa.Column("mark_id", Identity64, nullable=False),
        *counted(),
        sa.Column("amount", Money(), nullable=False),
        sa.PrimaryKeyConstraint("mark_id", name=op.f("pk_tally_marks")),
    )
    for name, (column, where) in INDEXES.items():
        op.create_index(name, "outbox_deliveries", ["sink", column], postgresql_where=where, sqlite_where=where)
    op.execute(SO_FAR)


def downgrade() -> None:
    """Take back."""
    for name in INDEXES:
        op.drop_index(name, "outbox_deliveries")
    op.drop_table("tally_marks")
    op.drop_table("tallies")
