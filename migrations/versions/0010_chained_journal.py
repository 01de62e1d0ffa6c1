"""The journal's chain: hashes of journal rows, payments, keys, refunds, disputes and operators' actions, and seals.

Revision: 0010, after 0009. It chains every row there is, by the first key of JOURNAL_KEY. The release before writes
rows without hashes, so it must not run beside it: stop it first.
"""

import sqlalchemy as sa
from alembic import op
from flask import current_app

from payment_service.domain.chain import JournalKeys
from payment_service.services.chain_making import chain_rows
from payment_service.sqltypes import Identity64, UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

HASHES = {
    "payments": ("journal_hash", "state_hash"),
    "transactions": ("previous_hash", "row_hash", "texts_hash"),
    "idempotency_keys": ("row_hash", "response_hash"),
    "payment_refunds": ("row_hash",),
    "disputes": ("row_hash",),
    "operator_actions": ("previous_hash", "row_hash"),
}


def upgrade() -> None:
    """Apply."""
    for table, names in HASHES.items():
        with op.batch_alter_table(table, table_kwargs=_kept(table)) as changed:
            for name in names:
                changed.add_column(sa.Column(name, sa.String(100)))
    op.create_table(
        "journal_seals",
        sa.Column("seal_id", Identity64, primary_key=True),
        sa.Column("sealed_until", UtcDateTime(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.String(100)),
        sa.Column("row_hash", sa.String(100), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.UniqueConstraint("previous_hash", name=op.f("uq_journal_seals_previous_hash")),
    )
    _chain()
    op.execute("UPDATE schema_information SET min_code = '0010'")


def downgrade() -> None:
    """Take back: the hashes go, and the rows stay."""
    op.drop_table("journal_seals")
    for table, names in HASHES.items():
        with op.batch_alter_table(table, table_kwargs=_kept(table)) as changed:
            for name in reversed(names):
                changed.drop_column(name)
    op.execute("UPDATE schema_information SET min_code = '0009'")


def _kept(table: str) -> dict[str, bool]:
    """What SQLite would forget of a table that is copied."""
    return {"sqlite_autoincrement": True} if table == "idempotency_keys" else {}


def _chain() -> None:
    """Chain every row, page by page: a later release's columns are not there yet."""
    bind = op.get_bind()
    found = sa.inspect(bind)
    columns = {f"{table}.{column['name']}" for table in HASHES for column in found.get_columns(table)}
    for _ in chain_rows(bind, JournalKeys(current_app.config["JOURNAL_KEY"]), columns):
        pass
