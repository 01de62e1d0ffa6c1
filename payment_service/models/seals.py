"""Seals: the rows that existed at a moment, so that verification misses a row removed later."""

from sqlalchemy import Column, String, Table, Text

from payment_service.db import metadata
from payment_service.models.columns import moment
from payment_service.sqltypes import Identity64

# Each seal covers the rows made before `sealed_until` that no earlier seal covers. `content` is JSON: the numbers of
# these rows by table, and one digest of the journal rows' hashes. The hash of a seal covers that of the one before.
journal_seals = Table(
    "journal_seals",
    metadata,
    Column("seal_id", Identity64, primary_key=True),
    moment("sealed_until"),
    Column("content", Text, nullable=False),
    Column("previous_hash", String(100), unique=True),
    Column("row_hash", String(100), nullable=False),
    moment("created_at"),
)
