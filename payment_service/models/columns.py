"""Columns, indexes and constraints that several tables have."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import CheckConstraint, Column, Index, text

from payment_service.sqltypes import Money, UtcDateTime

LONGEST_VALUE = 255
"""Characters of a reserved value. A spread database refuses to look for a longer one, and no payment has one."""


def one_of(column: str, words: Iterable[str]) -> CheckConstraint:
    """Return a constraint: `column` holds one of `words`."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def money(name: str) -> Column[Any]:
    """Return the column of an amount, never absent."""
    return Column(name, Money(), nullable=False)


def moment(name: str, *, nullable: bool = False) -> Column[Any]:
    """Return the column of a time in UTC."""
    return Column(name, UtcDateTime(), nullable=nullable)


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index of only those rows that meet `where`."""
    return Index(name, *columns, unique=unique, postgresql_where=text(where), sqlite_where=text(where))
