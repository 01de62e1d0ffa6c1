"""Between table rows and records: each record's columns, and the conversion of database values to Python's."""

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar, get_type_hints
from uuid import UUID

from sqlalchemy import Label, RowMapping, Table

from payment_service.domain.lifecycle import Status
from payment_service.domain.money import as_stored
from payment_service.domain.operations import CancelReason, Kind, OperationStatus, Purpose
from payment_service.domain.records import IdempotencyKey, Payment, Refund
from payment_service.models import idempotency_keys, payment_refunds, payments
from payment_service.sqltypes import money_from_sqlite, time_from_sqlite

Record = TypeVar("Record", Payment, Refund, IdempotencyKey)
Reader = Callable[[Any], Any]

_ENUMS: dict[type, Reader] = {each: each for each in (Status, Kind, OperationStatus, Purpose, CancelReason)}
_READERS: dict[str, dict[type, Reader]] = {
    # SQLAlchemy Core converts its values by the columns' types.
    "core": _ENUMS,
    "postgresql": _ENUMS | {Decimal: as_stored},
    "sqlite": _ENUMS
    | {Decimal: money_from_sqlite, UUID: lambda text: UUID(hex=text), datetime: time_from_sqlite, bool: bool},
}


def _readers(record: type[Any], database: str) -> list[tuple[int, Reader]]:
    hints = get_type_hints(record)
    known = _READERS[database]
    found = []
    for at, field in enumerate(fields(record)):
        kinds = [hints[field.name], *getattr(hints[field.name], "__args__", ())]
        reader = (
            json.loads if field.name == "metadata" else next((known[kind] for kind in kinds if kind in known), None)
        )
        if reader is not None:
            found.append((at, reader))
    return found


_BY_RECORD = {
    (record, database): _readers(record, database)
    for record in (Payment, Refund, IdempotencyKey)
    for database in _READERS
}


def record_from(record: type[Record], values: Sequence[Any], database: str = "core") -> Record:
    """Return a record of its fields' values in their order, as `database` or SQLAlchemy Core gave them."""
    read = list(values)
    for at, reader in _BY_RECORD[record, database]:
        if read[at] is not None:
            read[at] = reader(read[at])
    return record(*read)


def columns_of(table: Table, record: type[Record]) -> list[Label[Any]]:
    """Return the columns of `table` that `record` reads, labelled `<table>_<column>`: joined tables do not collide."""
    return [
        table.c[field.name].label(f"{table.name}_{field.name}") for field in fields(record) if field.name in table.c
    ]


PAYMENT = columns_of(payments, Payment)
REFUND = columns_of(payment_refunds, Refund)
KEY = columns_of(idempotency_keys, IdempotencyKey)


def payment_of(row: RowMapping) -> Payment:
    """Return the payment in a row that selected `PAYMENT`, among others."""
    return record_from(Payment, [row[column.name] for column in PAYMENT])
