"""The changes that an intruder with the database's password may make to a row: change it, take it away, add one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Column, Integer, Table, Uuid, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from payment_service.connection import UniqueViolation
from payment_service.db import Database
from payment_service.domain.disputes import DisputeStatus
from payment_service.domain.lifecycle import Move, Status
from payment_service.domain.operations import CancelReason, Kind, OperationStatus, Purpose
from payment_service.models import (
    REFUND_STATUSES,
    disputes,
    idempotency_keys,
    operator_actions,
    payment_refunds,
    payments,
    transactions,
)
from payment_service.sqltypes import Money, UtcDateTime
from tests.support.postgres import as_owner

TABLES = (payments, payment_refunds, idempotency_keys, transactions, operator_actions, disputes)

TELLS_NOTHING: Mapping[Table, Mapping[str, str]] = {
    idempotency_keys: {
        "terms": "what goes to the gateway while the operation is under way, emptied at its end",
        "action": "what the customer must do meanwhile, emptied at the end",
        "resend": "how many send keys the gateway has spent on failures of its own",
        "owner": "which process works on it",
        "fence": "how often it was taken over",
        "attempts": "how often it was tried",
        "leased_until": "how long its owner may work",
        "expires_at": "how long the response is kept",
        "updated_at": "when the row was written; the journal says when the payment changed",
    },
}
"""Columns that say nothing about money and nothing of who did what, each with the reason: a new column is judged."""

_WORDS: Mapping[tuple[Table, str], Sequence[str]] = {
    (payments, "status"): tuple(Status),
    (payment_refunds, "status"): REFUND_STATUSES,
    (disputes, "status"): tuple(DisputeStatus),
    (transactions, "status"): tuple(Status),
    (transactions, "from_status"): tuple(Status),
    (transactions, "move"): (Move.CHARGED, Move.CAPTURED),
    (idempotency_keys, "kind"): tuple(Kind),
    (idempotency_keys, "operation_status"): tuple(OperationStatus),
    (idempotency_keys, "purpose"): tuple(Purpose),
    (idempotency_keys, "cancel_asked"): tuple(CancelReason),
}

Row = dict[str, Any]


class Refused(Exception):
    """The database's own constraints allow none of the values."""


@dataclass(frozen=True)
class Manipulation:
    """One change of the database, by its name; `made` undoes it when the block ends."""

    name: str
    made: Callable[[], Any]


def number_of(table: Table) -> Column[Any]:
    """Return the column that numbers the rows."""
    return next(iter(table.primary_key))


def stored(database: Database, table: Table) -> list[Row]:
    """Return every row of a table."""
    with database.reading() as connection:
        found = connection.execute(select(table).order_by(number_of(table))).mappings()
        return [dict(row) for row in found]


@contextmanager
def changed(database: Database, table: Table, row: Row, values: Row) -> Iterator[None]:
    """Write other values into a row while the block runs. Raises Refused."""
    number = number_of(table)
    try:
        _run(database, update(table).where(number == row[number.name]).values(values))
    except (DBAPIError, UniqueViolation) as error:
        raise Refused(table.name) from error
    try:
        yield
    finally:
        now = values.get(number.name, row[number.name])
        _run(database, update(table).where(number == now).values({name: row[name] for name in values}))


@contextmanager
def removed(database: Database, *rows: tuple[Table, Row]) -> Iterator[None]:
    """Delete rows while the block runs, in their order."""
    _run(database, *(delete(table).where(number_of(table) == row[number_of(table).name]) for table, row in rows))
    try:
        yield
    finally:
        _run(database, *(insert(table).values(row) for table, row in reversed(rows)))


@contextmanager
def added(database: Database, table: Table, row: Row) -> Iterator[None]:
    """Insert a row while the block runs."""
    _run(database, insert(table).values(row))
    try:
        yield
    finally:
        _run(database, delete(table).where(number_of(table) == row[number_of(table).name]))


def _run(database: Database, *statements: Any) -> None:
    with database.atomic("test") as connection:
        as_owner(connection)
        for statement in statements:
            connection.execute(statement)


def of_columns(database: Database, table: Table) -> Iterator[Manipulation]:
    """Every column of a table that is judged: another value, emptied where it may be, filled where it is empty."""
    rows = stored(database, table)
    for column in table.c:
        if column.name not in TELLS_NOTHING.get(table, {}):
            yield from _of_column(database, table, column, _told(table, rows))


def _told(table: Table, rows: list[Row]) -> list[Row]:
    """Return the rows to choose from: keys that are finished, for some columns are free until then."""
    return [row for row in rows if row["response_status"] is not None] if table is idempotency_keys else rows


def _of_column(database: Database, table: Table, column: Column[Any], rows: list[Row]) -> Iterator[Manipulation]:
    full = next((row for row in rows if row[column.name] is not None), None)
    bare = next((row for row in rows if row[column.name] is None), None)
    name = f"{table.name}.{column.name}"
    if full is not None:
        others = list(_others(table, column, full[column.name], rows))
        yield Manipulation(f"{name} changed", lambda: _first(database, table, full, column, others))
    if full is not None and column.nullable:
        yield Manipulation(f"{name} emptied", lambda: changed(database, table, full, {column.name: None}))
    if bare is not None:
        made = list(_made(table, column, rows))
        yield Manipulation(f"{name} filled", lambda: _first(database, table, bare, column, made))


@contextmanager
def _first(database: Database, table: Table, row: Row, column: Column[Any], values: Sequence[Any]) -> Iterator[None]:
    """Write the first of these values that the database's own constraints allow."""
    refusal: Exception | None = None
    for value in values:
        try:
            with changed(database, table, row, {column.name: value}):
                yield
                return
        except Refused as error:
            refusal = error
    raise Refused(column.name) from refusal


def _others(table: Table, column: Column[Any], value: Any, rows: list[Row]) -> Iterator[Any]:
    """Values other than this one, of the same kind."""
    if words := _WORDS.get((table, column.name)):
        yield from (word for word in words if word != value)
        return
    yield from (row[column.name] for row in rows if row[column.name] not in {None, value})
    match value:
        case bool():
            yield not value
        case int():
            yield value + 1000
        case Decimal():
            yield from (value - 1, value + 1)
        case datetime():
            yield value + timedelta(seconds=1)
        case UUID():
            yield uuid4()
        case _:
            yield f"{value[:-1]}{'x' if value[-1:] != 'x' else 'y'}"


def _made(table: Table, column: Column[Any], rows: list[Row]) -> Iterator[Any]:
    """Values for a column that is empty."""
    if words := _WORDS.get((table, column.name)):
        yield from words
        return
    yield from (row[column.name] for row in rows if row[column.name] is not None)
    match column.type:
        case UtcDateTime():
            yield datetime.fromisoformat("2026-01-01T00:00:00+00:00")
        case Uuid():
            yield uuid4()
        case Money():
            yield Decimal(1)
        case Integer():
            yield 1
        case _:
            yield '{"by":"intruder"}' if column.name == "metadata" else "intruder"


def of_rows(database: Database, *tables: Table) -> Iterator[Manipulation]:
    """Yield the first, a middle and the last row of every table taken away, and a copy of each added."""
    for table in tables:
        rows = [row for row in stored(database, table) if table is not idempotency_keys or _stays(row)]
        for row in {id(each): each for each in (rows[0], rows[len(rows) // 2], rows[-1])}.values():
            name = f"{table.name} {row[number_of(table).name]}"
            gone = (table, row)
            what = _with_all_rows(database, row) if table is payments else (gone,)
            yield Manipulation(f"{name} removed", lambda what=what: removed(database, *what))  # type: ignore[misc]
            copy = _copy(table, row)
            yield Manipulation(f"{name} copied", lambda table=table, copy=copy: added(database, table, copy))  # type: ignore[misc]


def _stays(key: Row) -> bool:
    """Return whether the purge spares this key: it deletes others, so a missing one would not show."""
    return key["payment_id"] is not None and (key["is_client_key"] or key["kind"] is not None)


def _with_all_rows(database: Database, payment: Row) -> tuple[tuple[Table, Row], ...]:
    """Return a payment with everything that the six tables have of it, the payment last."""
    others = [table for table in TABLES if table is not payments]
    rows = [(table, row) for table in others for row in stored(database, table)]
    mine = [(table, row) for table, row in rows if row["payment_id"] == payment["payment_id"]]
    return (*mine, (payments, payment))


def _copy(table: Table, row: Row) -> Row:
    """Return the same row under another number, with other values where no two rows may have the same."""
    copy = row | {number_of(table).name: row[number_of(table).name] + 1000}
    unique: Mapping[Table, Row] = {
        payments: {"public_id": uuid4()},
        payment_refunds: {"public_reference": "re_copy", "key_hash": "0" * 64},
        idempotency_keys: {"key_hash": "0" * 64, "gateway_key": row.get("gateway_key") and "v1-copy"},
        transactions: {"version": row.get("version") and 1000, "event_id": row.get("event_id") and uuid4()},
        disputes: {"reference": "dp_copy"},
    }
    return copy | unique.get(table, {})
