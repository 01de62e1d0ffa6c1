"""Reconciliation's queries about our operations, and the one row that it writes.

Gateway keys have an index; the gateway's references have none, because every charge writes one. Keys are numbered in
about the order of time, so that a period is a range of numbers.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BindParameter, bindparam, func, literal, select

from payment_service.connection import Connection
from payment_service.domain.business_metrics import Reconciliation
from payment_service.domain.operations import Kind, OperationStatus
from payment_service.domain.records import IdempotencyKey, Operation, Payment
from payment_service.models import disputes, payments, reconciliations
from payment_service.models import idempotency_keys as keys
from payment_service.repositories.rows import KEY, PAYMENT, payment_of, record_from

PAGE = 500
"""Keys read at once."""


@dataclass(frozen=True, slots=True)
class OurOperation:
    """The part of our operation that a comparison needs."""

    key_id: int
    payment_id: int
    operation_id: UUID
    kind: Kind
    amount: Decimal
    currency: str
    operation_status: OperationStatus
    gateway_key: str
    gateway_reference: str | None
    created_at: datetime
    updated_at: datetime


_OURS = [keys.c[field.name] for field in fields(OurOperation)]
_IDS: BindParameter[list[int]] = bindparam("ids", expanding=True)
_BY_KEY = select(*_OURS).where(keys.c.gateway_key.in_(bindparam("gateway_keys", expanding=True)))
_NEXT = (
    select(*_OURS)
    .where(keys.c.key_id > bindparam("after"), keys.c.kind.is_not(None))
    .order_by(keys.c.key_id)
    .limit(PAGE)
)
_FIRST_FROM = (
    select(keys.c.key_id, keys.c.created_at)
    .where(keys.c.key_id >= bindparam("number"))
    .order_by(keys.c.key_id)
    .limit(1)
)
_LAST = select(func.max(keys.c.key_id))
_WHOLE_KEYS = select(
    *KEY, literal(0).label("leased"), literal(0).label("expired"), keys.c.leased_until.label("looked_at")
).where(keys.c.key_id.in_(_IDS))
_PAYMENTS = select(*PAYMENT).where(payments.c.payment_id.in_(_IDS))
_DISPUTES = select(disputes.c.reference).where(
    disputes.c.gateway == bindparam("gateway"), disputes.c.reference.in_(bindparam("references", expanding=True))
)
_FURTHEST = (
    select(reconciliations.c.gateway, func.max(reconciliations.c.until).label("until"))
    .where(reconciliations.c.is_complete)
    .group_by(reconciliations.c.gateway)
    .subquery()
)
_later = reconciliations.alias("later")
_REPEATED = (
    select(_later.c.reconciliation_id)
    .where(
        _later.c.gateway == reconciliations.c.gateway,
        _later.c.is_complete,
        _later.c.reconciliation_id > reconciliations.c.reconciliation_id,
        _later.c.since <= reconciliations.c.since,
        _later.c.until >= reconciliations.c.until,
    )
    .exists()
)
_STANDING = (
    select(*(reconciliations.c[field.name] for field in fields(Reconciliation)))
    .join(_FURTHEST, reconciliations.c.gateway == _FURTHEST.c.gateway)
    .where(
        reconciliations.c.is_complete,
        (reconciliations.c.until == _FURTHEST.c.until)
        | ((reconciliations.c.differences > 0) & (reconciliations.c.until > bindparam("since"))),
        ~_REPEATED,
    )
    .order_by(reconciliations.c.until.desc(), reconciliations.c.reconciliation_id.desc())
)


def by_gateway_keys(connection: Connection, gateway_keys: Collection[str]) -> dict[str, OurOperation]:
    """Return our operations that were sent under these keys."""
    rows = connection.execute(_BY_KEY, {"gateway_keys": list(gateway_keys)})
    return {row.gateway_key: _ours(row) for row in rows}


def number_before(connection: Connection, moment: datetime) -> int:
    """Return a number that all keys made since a moment exceed, except those that came out of order."""
    low, high = 0, int(connection.execute(_LAST).scalar() or 0)
    while low < high:
        middle = (low + high + 1) // 2
        found = connection.execute(_FIRST_FROM, {"number": middle}).one()
        low, high = (middle, high) if found.created_at < moment else (low, middle - 1)
    return low


def after(connection: Connection, number: int) -> Sequence[OurOperation]:
    """Return the next operations after the number of a key; none at the end."""
    return [_ours(row) for row in connection.execute(_NEXT, {"after": number})]


def with_payments(connection: Connection, key_ids: Sequence[int]) -> list[tuple[Operation, Payment]]:
    """Return the whole operations of these keys, with their payments."""
    found = [record_from(IdempotencyKey, row) for row in connection.execute(_WHOLE_KEYS, {"ids": list(key_ids)})]
    ids = {"ids": list({key.payment_id for key in found})}
    by_id = {payment.payment_id: payment for payment in map(payment_of, connection.execute(_PAYMENTS, ids).mappings())}
    operations = [key.operation for key in sorted(found, key=lambda key: key.key_id)]
    return [(each, by_id[each.payment_id]) for each in operations if each is not None]


def known_disputes(connection: Connection, gateway: str, references: Collection[str]) -> frozenset[str]:
    """Return those of these disputes that are stored here."""
    return frozenset(connection.execute(_DISPUTES, {"gateway": gateway, "references": list(references)}).scalars())


def record(connection: Connection, finished: Reconciliation, *, is_complete: bool) -> None:
    """Write down the result of a reconciliation."""
    values = {field.name: getattr(finished, field.name) for field in fields(Reconciliation)}
    connection.execute(reconciliations.insert().values(**values, is_complete=is_complete))


def standing(connection: Connection, since: datetime) -> dict[str, list[Reconciliation]]:
    """Return each gateway's last complete period, and after it those that end after `since` and have differences.

    A later complete run over all of a period takes its place.
    """
    found: dict[str, list[Reconciliation]] = {}
    for row in connection.execute(_STANDING, {"since": since}):
        each = Reconciliation(*row)
        periods = found.setdefault(each.gateway, [])
        if each.differences or not periods:
            periods.append(each)
    return found


def _ours(row: Sequence[object]) -> OurOperation:
    values = dict(zip(OurOperation.__slots__, row, strict=True))
    kind, status = Kind(str(values["kind"])), OperationStatus(str(values["operation_status"]))
    return OurOperation(**values | {"kind": kind, "operation_status": status})  # type: ignore[arg-type]
