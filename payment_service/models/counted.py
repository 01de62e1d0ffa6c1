"""What happened to payments, counted: a change appends a mark, which locks nothing; marks are folded into tallies."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import BigInteger, Column, String, Table

from payment_service.db import metadata
from payment_service.models.columns import moment, money
from payment_service.sqltypes import Identity64, MoneySum, UtcDateTime


def _counted(*, key: bool) -> Iterator[Column[Any]]:
    """What is told apart: few different words in each column, whoever calls."""
    for name, length in (("channel", 20), ("method", 20), ("currency", 3), ("move", 30)):
        yield Column(name, String(length), nullable=False, primary_key=key)
    for name in ("from_status", "status"):
        yield Column(name, String(20), nullable=False, primary_key=key)


tally_marks = Table(
    "tally_marks",
    metadata,
    Column("mark_id", Identity64, primary_key=True),
    *_counted(key=False),
    money("amount"),
    # Nobody said when while an older release was still writing: such a mark is counted, but for no hour.
    moment("happened_at", nullable=True),
)

tallies = Table(
    "tallies",
    metadata,
    *_counted(key=True),
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
