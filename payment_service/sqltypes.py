"""Column types and SQL functions that mean the same on PostgreSQL and SQLite."""

import sqlite3
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter, methodcaller
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    Double,
    Integer,
    Numeric,
    TypeDecorator,
    bindparam,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from payment_service.domain.money import as_stored

Identity64 = BigInteger().with_variant(Integer(), "sqlite")
"""A bigint that counts itself up: SQLite does so only for INTEGER PRIMARY KEY, which holds 64 bits as well."""

DECIMALS = 3
"""The most decimals any currency has (Kuwaiti dinar and its kin)."""


def to_thousandths(amount: Decimal) -> int:
    """Return an amount as an integer of thousandths. Raises ValueError for more decimals: databases hold it exactly."""
    thousandths = amount.scaleb(DECIMALS)
    if thousandths != thousandths.to_integral_value():
        raise ValueError("an amount with more than three decimals cannot be stored exactly")
    return int(thousandths)


def money_from_sqlite(thousandths: int) -> Decimal:
    """Return the amount of an integer of thousandths."""
    return as_stored(Decimal(thousandths).scaleb(-DECIMALS))


def time_from_sqlite(text: str) -> datetime:
    """Return the UTC time of a stored text."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Parameters of an SQL text as SQLite stores them, the same as these column types do; times are UTC.
sqlite3.register_adapter(Decimal, to_thousandths)
sqlite3.register_adapter(datetime, methodcaller("strftime", "%Y-%m-%d %H:%M:%S.%f"))
sqlite3.register_adapter(UUID, attrgetter("hex"))


class Money(TypeDecorator[Decimal]):
    """An amount: NUMERIC(15, 3) on PostgreSQL, an integer of thousandths on SQLite, which stores NUMERIC as a float."""

    impl = Numeric(15, DECIMALS)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column's real type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(Numeric(15, DECIMALS))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | int | None:
        """Refuse an amount that would be rounded: the database must hold exactly the given one."""
        if value is None:
            return None
        thousandths = to_thousandths(value)
        return thousandths if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return the amount with at least two decimals, a third only if it is not zero."""
        if value is None:
            return None
        return money_from_sqlite(value) if dialect.name == "sqlite" else as_stored(value)


class MoneySum(Money):
    """A sum of amounts, of which there may be any number: NUMERIC(38, 3) on PostgreSQL."""

    impl = Numeric(38, DECIMALS)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column's real type."""
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else Numeric(38, DECIMALS))


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, aware on both databases; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give UTC back (SQLite forgets the zone)."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class _OwnText(FunctionElement[Any]):
    """A function that each database writes in its own way; `{}` stands for the arguments."""

    inherit_cache = True
    postgresql: str
    sqlite: str


class database_now(_OwnText):  # noqa: N801 - reads as the SQL function it is
    """The database's clock at this very moment: one clock judges the leases of several hosts."""

    inherit_cache = True
    type = UtcDateTime()
    postgresql = "clock_timestamp()"
    sqlite = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


class statement_now(database_now):  # noqa: N801
    """The database's clock as this statement began: unlike its very moment, an index can be searched by it."""

    inherit_cache = True
    postgresql = "statement_timestamp()"


class database_later(_OwnText):  # noqa: N801
    """The database's clock plus so many seconds (may be negative)."""

    inherit_cache = True
    type = UtcDateTime()
    postgresql = "clock_timestamp() + make_interval(secs => {})"
    sqlite = "strftime('%Y-%m-%d %H:%M:%f000', 'now', ({}) || ' seconds')"


class seconds_since(_OwnText):  # noqa: N801
    """How many seconds ago a moment was, by the database's clock; NULL for NULL."""

    inherit_cache = True
    type = Double()
    postgresql = "CAST(extract(epoch FROM clock_timestamp() - {}) AS double precision)"
    sqlite = "((julianday('now') - julianday({})) * 86400)"


@compiles(_OwnText)
def _own_text(element: _OwnText, compiler: Any, **options: Any) -> str:
    text: str = getattr(element, compiler.dialect.name)
    return text.replace("{}", compiler.process(element.clauses, **options))


def seconds(name: str) -> BindParameter[float]:
    """Return a bound number of seconds for `database_later`."""
    return bindparam(name, type_=Double())
