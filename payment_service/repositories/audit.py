"""Every payment with all its rows, for verification."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, literal, select

from payment_service.connection import Connection
from payment_service.db import Database
from payment_service.domain.disputes import PaymentDispute
from payment_service.domain.records import IdempotencyKey, Operation, Payment, Refund
from payment_service.models import idempotency_keys, payment_refunds, payments, reservations, transactions
from payment_service.repositories import disputes
from payment_service.repositories.rows import KEY, PAYMENT, REFUND, payment_of, record_from

PAGE = 500
"""Payments read at once."""


@dataclass(frozen=True)
class AuditRow:
    """One row of the audit trail: the move, the statuses before and after it, and the sums after it."""

    payment_id: int
    version: int
    move: str
    from_status: str | None
    status: str
    amount: Decimal
    captured_amount: Decimal
    refunded_amount: Decimal


@dataclass(frozen=True)
class Trail:
    """A payment and all its rows; `reserved` are its (kind, value) pairs, `key_hash` that of the key that made it."""

    payment: Payment
    key_hash: str | None
    keys: Sequence[IdempotencyKey]
    refunds: Sequence[Refund]
    audit: Sequence[AuditRow]
    reserved: frozenset[tuple[str, str]]
    disputes: Sequence[PaymentDispute]

    @property
    def operations(self) -> Sequence[Operation]:
        """Its money movements, oldest first."""
        return [key.operation for key in self.keys if key.operation]


_AUDIT = [transactions.c[name] for name in AuditRow.__dataclass_fields__]
_IDS: BindParameter[list[int]] = bindparam("ids", expanding=True)
_PAGE = (
    select(*PAYMENT, payments.c.idempotency_hash)
    .where(payments.c.payment_id > bindparam("after"))
    .order_by(payments.c.payment_id)
    .limit(PAGE)
)
_KEYS = (
    select(
        *KEY,
        literal(0).label("leased"),
        literal(0).label("expired"),
        idempotency_keys.c.leased_until.label("looked_at"),
    )
    .where(idempotency_keys.c.payment_id.in_(_IDS))
    .order_by(idempotency_keys.c.key_id)
)
_REFUNDS = select(*REFUND).where(payment_refunds.c.payment_id.in_(_IDS)).order_by(payment_refunds.c.refund_id)
_RESERVED = select(reservations.c.payment_id, reservations.c.kind, reservations.c.value).where(
    reservations.c.payment_id.in_(_IDS)
)
_ENTRIES = (
    select(*_AUDIT)
    .where(transactions.c.payment_id.in_(_IDS), transactions.c.version.is_not(None))
    .order_by(transactions.c.version)
)


def trails(database: Database) -> Iterator[Trail]:
    """Yield every payment with its rows, by number. Holds no connection between two pages."""
    after = 0
    while page := _page(database, after):
        yield from page
        after = page[-1].payment.payment_id


def _page(database: Database, after: int) -> list[Trail]:
    with database.snapshot() as connection:
        rows = connection.execute(_PAGE, {"after": after}).mappings().all()
        found = [(payment_of(row), row["idempotency_hash"]) for row in rows]
        ids = [payment.payment_id for payment, _ in found]
        of_keys = _grouped(record_from(IdempotencyKey, row) for row in _rows(connection, _KEYS, ids))
        of_refunds = _grouped(record_from(Refund, row) for row in _rows(connection, _REFUNDS, ids))
        of_audit = _grouped(AuditRow(*row) for row in _rows(connection, _ENTRIES, ids))
        of_disputes = _grouped(disputes.of_payments(connection, ids))
        of_reservations = _grouped(_rows(connection, _RESERVED, ids))
    return [
        Trail(
            payment,
            key_hash,
            of_keys[number],
            of_refunds[number],
            of_audit[number],
            frozenset((row.kind, row.value) for row in of_reservations[number]),
            of_disputes[number],
        )
        for payment, key_hash in found
        for number in (payment.payment_id,)
    ]


def _rows(connection: Connection, statement: Select[Any], ids: list[int]) -> Any:
    return connection.execute(statement, {"ids": ids})


def _grouped(records: Any) -> dict[int, list[Any]]:
    groups = defaultdict(list)
    for record in records:
        groups[record.payment_id].append(record)
    return groups
