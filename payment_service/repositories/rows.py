"""Between table rows and records: which columns a record reads, and what a record writes."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import Label, RowMapping, Table

from payment_service.domain.lifecycle import Status
from payment_service.domain.operations import Kind, OperationStatus
from payment_service.domain.records import Facts, Operation, Payment, Refund
from payment_service.models import operations, payment_refunds, payments

Record = TypeVar("Record", Payment, Operation, Refund)

_READ: dict[type[Any], dict[str, Callable[[Any], Any]]] = {
    Payment: {"status": Status, "metadata": lambda text: json.loads(text) if text else None},
    Operation: {"kind": Kind, "status": OperationStatus},
    Refund: {},
}
_READERS = {
    record: [(at, read[field.name]) for at, field in enumerate(fields(record)) if field.name in read]
    for record, read in _READ.items()
}


def columns_of(table: Table, record: type[Record]) -> list[Label[Any]]:
    """The columns of `table` that `record` reads, labelled `<table>_<column>` so that joined tables do not collide."""
    return [table.c[field.name].label(f"{table.name}_{field.name}") for field in fields(record)]


PAYMENT = columns_of(payments, Payment)
OPERATION = columns_of(operations, Operation)
REFUND = columns_of(payment_refunds, Refund)


_OPERATION_AT, _REFUND_AT = len(PAYMENT), len(PAYMENT) + len(OPERATION)


def _record(record: type[Record], values: Sequence[Any]) -> Record:
    """A record of its fields' values in their order."""
    told = list(values)
    for at, read in _READERS[record]:
        told[at] = read(told[at])
    return record(*told)


def _labelled(columns: Sequence[Label[Any]], row: RowMapping) -> list[Any]:
    return [row[column.name] for column in columns]


def payment_of(row: RowMapping) -> Payment:
    """The payment in a row that selected `PAYMENT`, among others."""
    return _record(Payment, _labelled(PAYMENT, row))


def payment_from(values: Sequence[Any]) -> Payment:
    """The payment in a row that selected `PAYMENT` and nothing else."""
    return _record(Payment, values)


def operation_of(row: RowMapping) -> Operation:
    """The operation in a row that selected `OPERATION`, among others."""
    return _record(Operation, _labelled(OPERATION, row))


def facts_from(values: Sequence[Any]) -> Facts:
    """The payment, and the operation and refund if the outer joins found one, in a row that selected the three."""
    operation, refund = values[_OPERATION_AT:_REFUND_AT], values[_REFUND_AT:]
    return Facts(
        _record(Payment, values[:_OPERATION_AT]),
        _record(Operation, operation) if operation[0] is not None else None,
        _record(Refund, refund) if refund[0] is not None else None,
    )


def refunds_of(rows: Iterable[RowMapping]) -> list[Refund]:
    """The refunds in rows that selected `REFUND`."""
    return [_record(Refund, _labelled(REFUND, row)) for row in rows]


def payment_values(payment: Payment) -> dict[str, Any]:
    """What a payment writes, column by column."""
    values = _values(payment)
    values["metadata"] = None if payment.metadata is None else json.dumps(payment.metadata, separators=(",", ":"))
    return values


def _values(record: Payment | Operation | Refund) -> dict[str, Any]:
    return dict(vars(record))


def operation_values(operation: Operation) -> dict[str, Any]:
    """What an operation writes, column by column."""
    return _values(operation)


def refund_values(refund: Refund) -> dict[str, Any]:
    """What a refund writes, column by column."""
    return _values(refund)
