"""The journal: one row for each change of a payment, which is its audit row and its event, with deliveries to sinks."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, select

from payment_service.connection import Connection
from payment_service.domain.lifecycle import Move, Status
from payment_service.domain.records import Payment, TrailEntry
from payment_service.models import transactions
from payment_service.repositories.statements import write


def append(connection: Connection, row: Mapping[str, Any]) -> None:
    """Write a change down; `row` has every column but the number."""
    write(connection, "insert_journal_row", row)


def add_delivery(connection: Connection, row: Mapping[str, Any]) -> None:
    """Put an event on its way to one sink; `row` has the columns of a delivery that is due at once."""
    write(connection, "insert_delivery", row)


_TRAIL = (
    select(*(transactions.c[name] for name in TrailEntry.__dataclass_fields__))
    .where(transactions.c.payment_id == bindparam("payment_id"), transactions.c.version <= bindparam("version"))
    .order_by(transactions.c.version)
)


def trail_of(connection: Connection, payment: Payment) -> list[TrailEntry]:
    """How a payment came to stand as it does, oldest first; what happened since it was read is left out."""
    rows = connection.execute(_TRAIL, {"payment_id": payment.payment_id, "version": payment.version}).mappings()
    return [TrailEntry(**{**row, "move": Move(row["move"]), "status": Status(row["status"])}) for row in rows]
