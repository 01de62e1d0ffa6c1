"""Payments, their refunds and reservations: found by the ids that callers know, and written change by change."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, select
from sqlalchemy.exc import NoResultFound

from payment_service.connection import Connection
from payment_service.domain.records import Payment, Refund
from payment_service.models import payment_refunds, payments
from payment_service.models.columns import LONGEST_VALUE
from payment_service.repositories.rows import PAYMENT, REFUND, record_from

_BY_PUBLIC_ID = select(*PAYMENT).where(payments.c.public_id == bindparam("value", type_=payments.c.public_id.type))


def find(connection: Connection, payment_id: int) -> Payment | None:
    """Return the payment of this number, in any channel."""
    row = connection.row("find_payment", {"payment_id": payment_id})
    return None if row is None else record_from(Payment, row, connection.database)


def find_by(connection: Connection, channel: str, by: str, value: Any) -> Payment | None:
    """Find a payment by `by`: payment_id or public_id in any channel, transaction_id in this one. None if missing."""
    if by == "transaction_id":
        value = find_reservation(connection, channel, "transaction", value)
        by = "payment_id"
    if by == "payment_id":
        return None if value is None else find(connection, value)
    row = connection.execute(_BY_PUBLIC_ID, {"value": value}).one_or_none()
    return None if row is None else record_from(Payment, row)


def lock(connection: Connection, payment_id: int) -> Payment:
    """Lock the payment's row against every other change, and return it; inserts that refer to it stay possible."""
    return _locked(connection, "lock_payment", payment_id)


def lock_for_recovery(connection: Connection, payment_id: int) -> Payment:
    """Lock as `lock` does. Raises NoResultFound if another transaction has locked the row."""
    return _locked(connection, "lock_payment_for_recovery", payment_id)


def _locked(connection: Connection, name: str, payment_id: int) -> Payment:
    row = connection.row(name, {"payment_id": payment_id})
    if row is None:
        raise NoResultFound
    return record_from(Payment, row, connection.database)


def lock_for_refund(connection: Connection, payment_id: int) -> tuple[Payment, int]:
    """Lock the payment's row, and return it with the number of the refund about to be made."""
    row = connection.row("lock_payment_for_refund", {"payment_id": payment_id})
    if row is None:
        raise NoResultFound
    return record_from(Payment, row[:-1], connection.database), row[-1]


def insert(connection: Connection, payment: Payment, hashes: Mapping[str, Any]) -> None:
    """Insert a new payment, with its hashes."""
    metadata = None if payment.metadata is None else json.dumps(payment.metadata, separators=(",", ":"))
    connection.write("insert_payment", {**vars(payment), "metadata": metadata, **hashes})


def update(connection: Connection, payment: Payment, hashes: Mapping[str, Any]) -> None:
    """Write a changed payment, with its hashes."""
    connection.write("update_payment", {**vars(payment), **hashes})


def extend_journal(connection: Connection, payment: Payment, hashes: Mapping[str, Any]) -> None:
    """Write the hashes of a payment after a journal row that did not change the payment."""
    connection.write("extend_journal", {"payment_id": payment.payment_id, **hashes})


def find_refund(connection: Connection, payment_id: int, key_hash: str, subject: str) -> Refund | None:
    """Return the refund of a payment that this key asked for."""
    row = connection.row("find_refund", {"payment_id": payment_id, "key_hash": key_hash, "subject": subject})
    return None if row is None else record_from(Refund, row, connection.database)


def has_equal_refund(connection: Connection, refund: Refund, subject: str, since: datetime) -> bool:
    """Return whether the subject has asked for an equal refund since then that was not declined."""
    values = {**vars(refund), "reason": refund.reason or "", "subject": subject, "since": since}
    return connection.row("find_equal_refund", values) is not None


def insert_refund(connection: Connection, refund: Refund, channel: str, subject: str, row_hash: str) -> None:
    """Insert a new refund; its key's scope is `channel` and `subject`, which need not be the payment's."""
    connection.write("insert_refund", {**vars(refund), "channel": channel, "subject": subject, "row_hash": row_hash})


def update_refund(connection: Connection, refund: Refund, row_hash: str) -> None:
    """Write the gateway's decision about a refund."""
    connection.write("update_refund", {**vars(refund), "row_hash": row_hash})


def find_reservation(connection: Connection, channel: str, kind: str, value: str) -> int | None:
    """Return the number of the payment that holds a value (reference, payable, transaction) in a channel, or None."""
    if len(value) > LONGEST_VALUE:
        return None
    row = connection.row("find_reservation", {"channel": channel, "kind": kind, "value": value})
    return None if row is None else int(row[0])


def reserve(connection: Connection, payment: Payment, kind: str, value: str) -> None:
    """Take a value for a payment. If another payment holds it, COMMIT at the latest raises UniqueViolation."""
    reservation = {"channel": payment.channel, "kind": kind, "value": value, "payment_id": payment.payment_id}
    connection.write("insert_reservation", reservation)


def give_back(connection: Connection, payment: Payment, kind: str, value: str) -> None:
    """Give a value back, if the payment holds it."""
    reservation = {"channel": payment.channel, "kind": kind, "value": value, "payment_id": payment.payment_id}
    connection.write("delete_reservation", reservation)


_REFUNDS = (
    select(*REFUND).where(payment_refunds.c.payment_id == bindparam("payment_id")).order_by(payment_refunds.c.refund_id)
)


def refunds_for(connection: Connection, payment_id: int) -> list[Refund]:
    """Return a payment's refunds, oldest first."""
    return [record_from(Refund, row) for row in connection.execute(_REFUNDS, {"payment_id": payment_id})]


def select_payments(channel: str, subjects: Sequence[str] | None, filters: dict[str, Any]) -> Select[Any]:
    """Select the channel's payments of these `subjects` (None: all), narrowed by equal columns and `from`/`to` times.

    `filters` may name any column of the table, plus `from` (inclusive) and `to` (exclusive) for `created_at`, and
    `before` for payments with a smaller `payment_id`; None values do not narrow.
    """
    given = {name: value for name, value in filters.items() if value is not None}
    conditions = [payments.c.channel == channel]
    if subjects is not None:
        conditions.append(payments.c.subject.in_(subjects))
    if (start := given.pop("from", None)) is not None:
        conditions.append(payments.c.created_at >= start)
    if (end := given.pop("to", None)) is not None:
        conditions.append(payments.c.created_at < end)
    if (before := given.pop("before", None)) is not None:
        conditions.append(payments.c.payment_id < before)
    for name, value in given.items():
        column = payments.c[name]
        conditions.append(column.in_(value) if isinstance(value, list | tuple) else column == value)
    return select(*PAYMENT).where(and_(*conditions))


def count(connection: Connection, statement: Select[Any]) -> tuple[int, int | None]:
    """Return how many payments a `select_payments()` statement finds, and the largest of their numbers."""
    total, newest = connection.execute(statement.with_only_columns(func.count(), func.max(payments.c.payment_id))).one()
    return int(total), newest


def fetch(connection: Connection, statement: Select[Any], limit: int, offset: int = 0) -> Sequence[Payment]:
    """Return at most `limit` payments of a `select_payments()` statement, which the caller has ordered."""
    return [record_from(Payment, row) for row in connection.execute(statement.limit(limit).offset(offset))]
