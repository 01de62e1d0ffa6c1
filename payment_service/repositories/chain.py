"""Rows as they are stored, for the chain of the journal: to compare with their hashes, or to make the hashes."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Executable,
    Table,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    type_coerce,
    update,
)

from payment_service.connection import Connection
from payment_service.models import (
    disputes,
    idempotency_keys,
    journal_seals,
    operator_actions,
    payment_refunds,
    payments,
    transactions,
)
from payment_service.sqltypes import database_now

PAGE = 500
"""Payments read at once."""

SPAN = 5000
"""Rows of one table that one look for rows without a payment covers."""

Row = dict[str, Any]

HASHES: Mapping[Table, tuple[str, ...]] = {
    transactions: ("previous_hash", "row_hash", "texts_hash"),
    payments: ("journal_hash", "state_hash"),
    idempotency_keys: ("row_hash", "response_hash"),
    payment_refunds: ("row_hash",),
    disputes: ("row_hash",),
    operator_actions: ("previous_hash", "row_hash"),
}
"""The columns of hashes by table."""

OF_PAYMENT = (transactions, idempotency_keys, payment_refunds, disputes)
STAYS: Mapping[Table, ColumnElement[bool] | None] = {
    transactions: None,
    payments: None,
    # Retention deletes the other ones.
    idempotency_keys: and_(
        idempotency_keys.c.payment_id.is_not(None),
        or_(idempotency_keys.c.is_client_key, idempotency_keys.c.kind.is_not(None)),
    ),
    payment_refunds: None,
    disputes: None,
    operator_actions: None,
}
"""The tables with rows that a seal counts, each with the condition of the rows that are never deleted."""


class Executes(Protocol):
    """Our connection, or one of SQLAlchemy's own as a migration has it."""

    def execute(self, statement: Executable, parameters: Any = None) -> Any:
        """Run a statement of SQLAlchemy Core."""


def number_of(table: Table) -> Any:
    """Return the column of a table that numbers its rows."""
    return next(iter(table.primary_key))


def page(connection: Executes, after: int, only: Collection[str] | None = None) -> list[Row]:
    """Return the next payments after a number, at most `PAGE`.

    `only`: the columns that exist, as `table.column`, for a migration that runs on tables of an earlier release.
    """
    columns = _columns(payments, only)
    found = select(*columns).where(payments.c.payment_id > after).order_by(payments.c.payment_id).limit(PAGE)
    return _rows(connection, found)


def of_payments(
    connection: Executes, table: Table, ids: Sequence[int], only: Collection[str] | None = None
) -> dict[int, list[Row]]:
    """Return the rows of a table by their payment, each in the order of its numbers."""
    number = number_of(table)
    extra = [] if only else _has_ended(table)
    found = select(*_columns(table, only), *extra).where(table.c.payment_id.in_(ids)).order_by(number)
    groups: dict[int, list[Row]] = defaultdict(list)
    for row in _rows(connection, found):
        groups[row["payment_id"]].append(row)
    return groups


def _has_ended(table: Table) -> list[Any]:
    if table is not idempotency_keys:
        return []
    return [type_coerce(table.c.expires_at <= database_now(), Boolean).label("has_ended")]


def without_payment(
    connection: Executes, table: Table, after: int, only: Collection[str] | None = None
) -> tuple[list[Row], int | None]:
    """Return the next `SPAN` rows after a number, but only those without an existing payment.

    Also returns the number that ends these rows, None if no row follows them.
    """
    number = number_of(table)
    span = connection.execute(select(number, table.c.payment_id).where(number > after).order_by(number).limit(SPAN))
    by_number = {row[0]: row[1] for row in span}
    # No join: in a spread database the two tables are divided by different columns.
    ids = {payment_id for payment_id in by_number.values() if payment_id is not None}
    there = set(connection.execute(select(payments.c.payment_id).where(payments.c.payment_id.in_(ids))).scalars())
    alone = [row_number for row_number, payment_id in by_number.items() if payment_id not in there]
    found = select(*_columns(table, only), *([] if only else _has_ended(table)))
    rows = _rows(connection, found.where(number.in_(alone)).order_by(number)) if alone else []
    return rows, max(by_number) if len(by_number) == SPAN else None


def in_pages(connection: Executes, table: Table, only: Collection[str] | None = None) -> Iterator[Row]:
    """Yield every row of a table, in the order of its numbers."""
    number, after, is_last = number_of(table), 0, False
    while not is_last:
        found = _rows(connection, select(*_columns(table, only)).where(number > after).order_by(number).limit(PAGE))
        yield from found
        is_last = len(found) < PAGE
        after = found[-1][number.name] if found else after


def journal_page(
    connection: Executes, after: int, since: datetime | None, until: datetime | None, payment_id: int | None
) -> list[Row]:
    """Return the next journal rows after a number, of a period (`until` is its end) or payment."""
    made, number = transactions.c.created_at, transactions.c.transaction_log_id
    found = select(transactions).where(number > after).order_by(number).limit(PAGE)
    if since is not None:
        found = found.where(made >= since)
    if until is not None:
        found = found.where(made < until)
    if payment_id is not None:
        found = found.where(transactions.c.payment_id == payment_id)
    return _rows(connection, found)


def write(connection: Executes, table: Table, changes: Sequence[Row]) -> None:
    """Write hashes into rows: each change has the row's number as `number`, and all columns of hashes."""
    if changes:
        statement = update(table).where(number_of(table) == bindparam("number"))
        connection.execute(statement.values({name: bindparam(f"new_{name}") for name in HASHES[table]}), changes)


def made_before(
    connection: Executes, table: Table, after: int, until: datetime, limit: int
) -> list[tuple[int, str | None]]:
    """Return number and hash of the next rows after a number, up to the first one made at `until` or later."""
    number, condition = number_of(table), STAYS[table]
    its_hash = table.c.row_hash if "row_hash" in table.c else table.c.state_hash
    found = select(number, its_hash, table.c.created_at).where(number > after).order_by(number).limit(limit)
    if condition is not None:
        found = found.where(condition)
    rows: list[tuple[int, str | None]] = []
    for row in connection.execute(found):
        if row[2] >= until:
            break
        rows.append((row[0], row[1]))
    return rows


def last_made_before(connection: Executes, table: Table, until: datetime) -> int:
    """Return the greatest number of a row that was made before a moment, or 0."""
    found = select(func.max(number_of(table))).where(table.c.created_at < until)
    return int(connection.execute(found).scalar() or 0)


def numbers(connection: Executes, table: Table, first: int, last: int) -> list[tuple[int, str | None]]:
    """Return number and hash of the rows between two numbers, both included."""
    number = number_of(table)
    its_hash = table.c.row_hash if "row_hash" in table.c else table.c.state_hash
    found = select(number, its_hash).where(number.between(first, last)).order_by(number)
    return [(row[0], row[1]) for row in connection.execute(found)]


_SEALS = select(journal_seals).order_by(journal_seals.c.seal_id)
_LAST_SEAL = select(journal_seals).order_by(journal_seals.c.seal_id.desc()).limit(1)


def seals(connection: Executes) -> list[Row]:
    """Return every seal, oldest first."""
    return _rows(connection, _SEALS)


def last_seal(connection: Executes) -> Row | None:
    """Return the newest seal, None before the first."""
    return next(iter(_rows(connection, _LAST_SEAL)), None)


def insert_seal(connection: Connection, seal: Mapping[str, Any]) -> None:
    """Add a seal."""
    connection.execute(journal_seals.insert(), dict(seal))


def delete_seals(connection: Connection) -> None:
    """Delete every seal, because rekeying changes the hashes that they cover."""
    connection.execute(delete(journal_seals))


def _columns(table: Table, only: Collection[str] | None) -> list[Any]:
    return [column for column in table.c if only is None or f"{table.name}.{column.name}" in only]


def _rows(connection: Executes, statement: Executable) -> list[Row]:
    return [dict(row) for row in connection.execute(statement).mappings()]
