"""Payments with their operations and refunds: found by whatever their callers know them by."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, and_, bindparam, func, or_, select, text
from sqlalchemy.exc import NoResultFound

from payment_service.domain.records import Facts, Payment, Refund
from payment_service.models import LIVE_AND_ONLY, operations, payment_refunds, payments
from payment_service.repositories.prepared import Prepared
from payment_service.repositories.rows import (
    OPERATION,
    PAYMENT,
    REFUND,
    facts_from,
    payment_from,
    refunds_of,
)
from payment_service.sqltypes import next_number

_PAYMENT = select(*PAYMENT)
_BY: dict[str, Select[Any]] = {
    name: _PAYMENT.where(payments.c[name] == bindparam("value", type_=payments.c[name].type))
    for name in ("payment_id", "public_id", "transaction_id")
}
_OF_CHANNEL = payments.c.channel == bindparam("channel", type_=payments.c.channel.type)
_FIND = {name: Prepared(statement.where(_OF_CHANNEL)) for name, statement in _BY.items()}
_FIND_IN_ANY_CHANNEL = Prepared(_BY["payment_id"])


def find(connection: Connection, channel: str, by: str, value: object) -> Payment | None:
    """The channel's payment whose `by` (payment_id, public_id or transaction_id) is `value`."""
    return _one(connection, _FIND[by], {"channel": channel, "value": value})


def find_in_any_channel(connection: Connection, payment_id: int) -> Payment | None:
    """The payment of this number, whosever it is: the shared paths learn the channel from it."""
    return _one(connection, _FIND_IN_ANY_CHANNEL, {"value": payment_id})


def _one(connection: Connection, statement: Prepared, parameters: dict[str, Any]) -> Payment | None:
    row = statement.one_or_none(connection, parameters)
    return None if row is None else payment_from(row)


_LOCK = Prepared(_BY["payment_id"].with_for_update(key_share=True))


def lock(connection: Connection, payment_id: int) -> Payment:
    """The payment's row, locked against every other move of it; inserts that refer to it stay possible."""
    found = _one(connection, _LOCK, {"value": payment_id})
    if found is None:
        raise NoResultFound
    return found


def bound_to(channel: Any, subject: Any, key_hash: Any) -> ColumnElement[bool]:
    """The condition of a payment that this key made.

    What it costs must not grow with the payments of a channel or subject. Their own indexes are kept out of it: with
    the statistics of a young table PostgreSQL would take one of them, and read all there is under it.
    """
    return and_(
        payments.c.idempotency_hash == key_hash,
        payments.c.channel.concat("") == channel,
        payments.c.subject.concat("") == subject,
    )


_FACTS = select(*PAYMENT, *OPERATION, *REFUND).select_from(
    payments.outerjoin(operations, operations.c.payment_id == payments.c.payment_id).outerjoin(
        payment_refunds, payment_refunds.c.operation_id == operations.c.operation_id
    )
)
_BY_GATEWAY_KEYS = _FACTS.where(operations.c.gateway_key.in_(bindparam("gateway_keys", expanding=True)))
_CREATED_BY_KEY = Prepared(
    select(*PAYMENT).where(
        bound_to(*(bindparam(name, type_=String) for name in ("of_channel", "of_subject", "key_hash")))
    )
)


def facts_by_gateway_keys(connection: Connection, gateway_keys: Sequence[str]) -> list[Facts]:
    """The operations the gateway knows by these keys, each with its payment and refund."""
    return [facts_from(row) for row in connection.execute(_BY_GATEWAY_KEYS, {"gateway_keys": gateway_keys})]


def created_by_key(connection: Connection, channel: str, subject: str, key_hash: str) -> Payment | None:
    """The payment that this key made, however long ago."""
    parameters = {"of_channel": channel, "of_subject": subject, "key_hash": key_hash}
    return _one(connection, _CREATED_BY_KEY, parameters)


_MONEY_CAME_FROM = Prepared(
    select(operations.c.gateway_key)
    .where(
        operations.c.payment_id == bindparam("payment_id", type_=operations.c.payment_id.type),
        operations.c.status == "SUCCEEDED",
        or_(operations.c.kind == "charge", operations.c.kind == "authorize"),
    )
    .limit(1)
)


def parent_gateway_key(connection: Connection, payment_id: int) -> str | None:
    """The gateway key of the charge or authorization that a payment's later movements belong to."""
    row = _MONEY_CAME_FROM.one_or_none(connection, {"payment_id": payment_id})
    return None if row is None else str(row[0])


_NEXT_REFUND = Prepared(select(next_number(payment_refunds.c.refund_id)))


def next_refund_id(connection: Connection) -> int:
    """The number of a refund about to be made."""
    return int(_NEXT_REFUND.rows(connection, {})[0][0])


_LIVE = Prepared(
    select(*PAYMENT)
    .where(
        _OF_CHANNEL,
        payments.c.payable_id == bindparam("payable_id", type_=payments.c.payable_id.type),
        text(LIVE_AND_ONLY),  # word for word the index's: with parameters in it PostgreSQL would not recognise it
    )
    .limit(1)
)


def live_for_payable(connection: Connection, channel: str, payable_id: str) -> Payment | None:
    """The one live payment of a payable, where its channel allows no second."""
    return _one(connection, _LIVE, {"channel": channel, "payable_id": payable_id})


_REFUNDS = select(*REFUND).where(payment_refunds.c.payment_id == bindparam("payment_id"))
_REFUNDS_IN_ORDER = _REFUNDS.order_by(payment_refunds.c.refund_id)


def refunds_for(connection: Connection, payment_id: int) -> list[Refund]:
    """A payment's refunds, oldest first."""
    return refunds_of(connection.execute(_REFUNDS_IN_ORDER, {"payment_id": payment_id}).mappings())


def select_payments(channel: str, subject: str | None, filters: dict[str, Any]) -> Select[Any]:
    """The channel's payments visible to `subject` (None: all), narrowed by equal columns and `from`/`to` times.

    `filters` may name any column of the table, plus `from` (inclusive) and `to` (exclusive) for `created_at`, and
    `before` for payments with a smaller `payment_id`; None values do not narrow.
    """
    given = {name: value for name, value in filters.items() if value is not None}
    conditions = [payments.c.channel == channel]
    if subject is not None:
        conditions.append(payments.c.subject == subject)
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


def count(connection: Connection, statement: Select[Any]) -> int:
    """How many payments a `select_payments()` statement finds."""
    return int(connection.execute(select(func.count()).select_from(statement.subquery())).scalar_one())


def fetch(connection: Connection, statement: Select[Any], limit: int, offset: int = 0) -> Sequence[Payment]:
    """At most `limit` payments of a `select_payments()` statement, which its caller has ordered."""
    return [payment_from(row) for row in connection.execute(statement.limit(limit).offset(offset))]
