"""The writes of a state change, sent together: one round trip on PostgreSQL, one statement each on SQLite.

A change touches up to eight tables. On PostgreSQL its writes travel as one statement with data-modifying CTEs; SQLite
knows no such thing and, running in process, has no round trips to save.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from sqlalchemy import Connection, Insert, Table, Update, bindparam, insert, update

from payment_service.models import (
    idempotency_keys,
    operations,
    outbox_deliveries,
    outbox_events,
    payment_refunds,
    payments,
    tally_marks,
    transactions,
)
from payment_service.repositories.prepared import Prepared
from payment_service.sqltypes import database_later, database_now, seconds


@dataclass(frozen=True)
class _Insert:
    """A new row. What is NULL in it is left out, half of a payment's columns; `generated` ones are the database's."""

    table: Table
    generated: tuple[str, ...] = ()
    computed: Mapping[str, Any] = field(default_factory=dict)

    def given(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple([name for name in self._names if values.get(name) is not None])

    def statement(self, name: str, given: tuple[str, ...]) -> Insert:
        return insert(self.table).values(_bound(name, self.table, given) | dict(self.computed))

    @cached_property
    def _names(self) -> list[str]:
        column_names = [column.name for column in self.table.columns]
        return [name for name in column_names if name not in (*self.generated, *self.computed)]


@dataclass(frozen=True)
class _Update:
    """New values for these columns, NULL among them, of the row whose `key` column is given.

    What is `computed` may take more values, which are no columns: `more`.
    """

    table: Table
    key: str
    columns: tuple[str, ...]
    computed: Mapping[str, Any] = field(default_factory=dict)
    more: tuple[str, ...] = ()

    def given(self, _values: Mapping[str, Any]) -> tuple[str, ...]:
        return (self.key, *self.columns, *self.more)

    def statement(self, name: str, _given: tuple[str, ...]) -> Update:
        binds = _bound(name, self.table, (self.key, *self.columns))
        changed = update(self.table).where(self.table.c[self.key] == binds.pop(self.key))
        return changed.values(binds | dict(self.computed))


def _bound(name: str, table: Table, columns: Iterable[str]) -> dict[str, Any]:
    return {column: bindparam(f"{name}_{column}", type_=table.c[column].type) for column in columns}


MOST_DELIVERIES = 5
"""Sinks that one event can go to: three neighbours and two brokers."""

_MOVABLE = (
    "status",
    "version",
    "authorized_amount",
    "captured_amount",
    "refunded_amount",
    "refund_pending_amount",
    "transaction_id",
    "payment_intent_id",
    "authorization_code",
    "gateway_response",
    "failure_code",
    "updated_at",
    "completed_at",
    "authorized_at",
    "captured_at",
    "refunded_at",
)

WRITES: dict[str, _Insert | _Update] = {
    "open_payment": _Insert(payments),
    "move_payment": _Update(payments, "payment_id", _MOVABLE),
    "open_operation": _Insert(operations),
    "settle_operation": _Update(
        operations,
        "operation_id",
        ("status", "gateway_reference", "failure_message", "review_reason", "updated_at"),
    ),
    "open_refund": _Insert(payment_refunds),
    "settle_refund": _Update(payment_refunds, "refund_id", ("status", "updated_at")),
    "log": _Insert(transactions, ("transaction_log_id",)),
    "mark": _Insert(tally_marks, ("mark_id",)),
    "publish": _Insert(outbox_events),
    # Due at once by the clock that judges it: a host whose own runs ahead would hold its events back.
    **{
        f"deliver_{n}": _Insert(outbox_deliveries, ("delivery_id",), {"due_at": database_now()})
        for n in range(MOST_DELIVERIES)
    },
    "answer": _Update(
        idempotency_keys,
        "key_id",
        ("payment_id", "operation_id", "response_status", "response_data", "updated_at"),
        # By the clock that will judge it: an answer of a host whose own is a day behind would have ended at birth.
        {"expires_at": database_later(seconds("answer_ttl"))},
        ("ttl",),
    ),
}
"""Every write of a state change by name."""

Shape = tuple[tuple[str, tuple[str, ...]], ...]
"""The names of writes that travel together, each with the columns it has a value for."""


def write(connection: Connection, **changes: Mapping[str, Any]) -> None:
    """Send the named writes of `WRITES`, in this order, each with its column values (absent ones are NULL)."""
    shape: list[tuple[str, tuple[str, ...]]] = []
    parameters: dict[str, Any] = {}
    for name, values in changes.items():
        given = WRITES[name].given(values)
        shape.append((name, given))
        parameters.update(zip(_parameters(name, given), map(values.get, given), strict=True))
    for statement in _statements(connection.dialect.name, tuple(shape)):
        statement.rows(connection, parameters)


@cache
def _parameters(name: str, given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name}_{column}" for column in given)


@cache
def _statements(database: str, shape: Shape) -> tuple[Prepared, ...]:
    writes = [WRITES[name].statement(name, given) for name, given in shape]
    if database != "postgresql":
        return tuple(Prepared(each, gives_rows=False) for each in writes)
    first, *others = writes
    ctes = [other.cte(name) for (name, _), other in zip(shape[1:], others, strict=True)]
    return (Prepared(first.add_cte(*ctes), gives_rows=False),)
