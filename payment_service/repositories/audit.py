"""The audit trail: of one payment for its caller, of all of them with their other rows for verification."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Connection, Select, bindparam, select

from payment_service.db import Database
from payment_service.domain.lifecycle import Move, Status
from payment_service.domain.records import Facts, Operation, Payment, Refund, TrailEntry
from payment_service.models import idempotency_keys, operations, payment_refunds, payments, transactions
from payment_service.repositories.rows import OPERATION, PAYMENT, REFUND, operation_of, payment_of, refunds_of

PAGE = 500
"""Payments read at once."""


@dataclass(frozen=True)
class AuditRow:
    """One row of the audit trail: the move, where it came from and led to, and the sums after it."""

    payment_id: int
    version: int
    move: str
    from_status: str | None
    status: str
    captured_amount: Decimal
    refunded_amount: Decimal


@dataclass(frozen=True)
class Trail:
    """A payment and all its rows; `claimed` are the operations that an unfinished key stands for."""

    payment: Payment
    operations: Sequence[Operation]
    refunds: Sequence[Refund]
    audit: Sequence[AuditRow]
    claimed: frozenset[UUID]

    def facts(self, operation: Operation) -> Facts:
        """The facts about one of its operations."""
        return Facts(self.payment, operation)


_AUDIT = [transactions.c[name] for name in AuditRow.__dataclass_fields__]
_IDS: BindParameter[list[int]] = bindparam("ids", expanding=True)
_PAGE = select(*PAYMENT).where(payments.c.payment_id > bindparam("after")).order_by(payments.c.payment_id).limit(PAGE)
_OPERATIONS = select(*OPERATION).where(operations.c.payment_id.in_(_IDS)).order_by(operations.c.created_at)
_REFUNDS = select(*REFUND).where(payment_refunds.c.payment_id.in_(_IDS)).order_by(payment_refunds.c.refund_id)
_CLAIMED = select(idempotency_keys.c.operation_id).where(
    idempotency_keys.c.payment_id.in_(_IDS), idempotency_keys.c.response_status.is_(None)
)
_ENTRIES = select(*_AUDIT).where(transactions.c.payment_id.in_(_IDS)).order_by(transactions.c.version)


_TRAIL = (
    select(*(transactions.c[name] for name in TrailEntry.__dataclass_fields__))
    .where(transactions.c.payment_id == bindparam("payment_id"), transactions.c.version <= bindparam("version"))
    .order_by(transactions.c.version)
)


def trail_of(connection: Connection, payment: Payment) -> list[TrailEntry]:
    """How a payment came to stand as it does, oldest first; what happened since it was read is left out."""
    rows = connection.execute(_TRAIL, {"payment_id": payment.payment_id, "version": payment.version}).mappings()
    return [TrailEntry(**{**row, "move": Move(row["move"]), "status": Status(row["status"])}) for row in rows]


def trails(database: Database) -> Iterator[Trail]:
    """Every payment with its rows, in the order of their numbers. No connection is held between two pages."""
    after = 0
    while page := _page(database, after):
        yield from page
        after = page[-1].payment.payment_id


def _page(database: Database, after: int) -> list[Trail]:
    with database.snapshot() as connection:
        found = [payment_of(row) for row in connection.execute(_PAGE, {"after": after}).mappings()]
        ids = [payment.payment_id for payment in found]
        of_operations = _grouped(operation_of(row) for row in _rows(connection, _OPERATIONS, ids))
        of_refunds = _grouped(refunds_of(_rows(connection, _REFUNDS, ids)))
        claimed = frozenset(connection.execute(_CLAIMED, {"ids": ids}).scalars())
        of_audit = _grouped(AuditRow(**row) for row in _rows(connection, _ENTRIES, ids))
    return [
        Trail(payment, of_operations[number], of_refunds[number], of_audit[number], claimed)
        for payment in found
        for number in (payment.payment_id,)
    ]


def _rows(connection: Connection, statement: Select[Any], ids: list[int]) -> Any:
    return connection.execute(statement, {"ids": ids}).mappings()


def _grouped(records: Any) -> dict[int, list[Any]]:
    groups = defaultdict(list)
    for record in records:
        groups[record.payment_id].append(record)
    return groups
