"""Business metrics: sums over the journal up to a watermark, so that reading them costs the same at any size."""

from sqlalchemy import BigInteger, Column, String, Table, Text

from payment_service.db import metadata
from payment_service.sqltypes import MoneySum, UtcDateTime

tallies = Table(
    "tallies",
    metadata,
    Column("channel", String(20), primary_key=True),
    Column("method", String(20), primary_key=True),
    Column("currency", String(3), primary_key=True),
    Column("move", String(30), primary_key=True),
    Column("from_status", String(20), primary_key=True),
    Column("status", String(20), primary_key=True),
    Column("times", BigInteger, nullable=False),
    Column("amount", MoneySum(), nullable=False),
)

hourly_tallies = Table(
    "hourly_tallies",
    metadata,
    Column("hour", UtcDateTime(), primary_key=True),
    Column("move", String(30), primary_key=True),
    Column("from_status", String(20), primary_key=True),
    Column("status", String(20), primary_key=True),
    Column("times", BigInteger, nullable=False),
)

# How far a process has walked through a table by its numbers. `journal`: rows up to `value` are in the tallies; `look`
# is a number drawn when the transactions in `open_transactions` were open, and may be aggregated once all have ended.
# `recovery`: no key up to `value` is unfinished without a timer. `purge`: responses of keys up to `value` have ended.
watermarks = Table(
    "watermarks",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("value", BigInteger, nullable=False),
    Column("look", BigInteger),
    Column("open_transactions", Text),
)
