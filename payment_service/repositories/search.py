"""Payments found by anything an operator may hold in his hand; each look-up is a search in an index that fits it.

What is found in a channel is looked for in each channel by itself: an index that begins with the channel then gives
the newest first, and PostgreSQL is not tempted to read the payments backwards until it has found enough.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, bindparam, select, text, union_all

from payment_service.models import idempotency_keys as keys
from payment_service.models import operations, outbox_events, payment_refunds, payments
from payment_service.sqltypes import database_now

LARGEST = 2**63 - 1

_SHOWN = (
    "payment_id",
    "channel",
    "payable_id",
    "subject",
    "amount",
    "currency",
    "method",
    "status",
    "reference",
    "created_at",
)
_NUMBER = payments.c.payment_id
_VALUE: Any = bindparam("value")
# A value that PostgreSQL does not see while it plans: it takes one that many other channels' payments share for common
# in this one too, where it is unique, and then compiles the whole statement (or reads the whole table).
_UNSEEN: Any = select(_VALUE).scalar_subquery()


def _newest(*conditions: Any) -> Select[Any]:
    """The newest payments below `before` for which all this holds."""
    newest = select(_NUMBER).where(*conditions, bindparam("before") > _NUMBER)
    found = newest.order_by(_NUMBER.desc()).limit(bindparam("at_most")).subquery()
    return select(found.c.payment_id)


def _one(column: ColumnElement[Any], *conditions: Any) -> Select[Any]:
    """The payment of the one row, or the few, of any table where all this holds."""
    return select(column.label("payment_id")).where(*conditions)


@cache
def _by_text(channels: tuple[str, ...]) -> Any:
    return union_all(
        *(part for channel in channels for part in _in_channel(payments.c.channel == channel)),
        _newest(payments.c.reference == _VALUE, text("NOT reference_is_unique")),
        _one(payment_refunds.c.payment_id, payment_refunds.c.public_reference == _VALUE),
        _one(operations.c.payment_id, operations.c.gateway_key == _VALUE),
    )


def _in_channel(of_channel: ColumnElement[bool]) -> Iterator[Select[Any]]:
    yield _newest(of_channel, payments.c.payable_id == _VALUE)
    yield _one(_NUMBER, of_channel, payments.c.transaction_id == _VALUE)
    yield _one(_NUMBER, of_channel, payments.c.reference == _UNSEEN, text("reference_is_unique"))


_BY_NUMBER = _one(_NUMBER, _NUMBER == _VALUE)
_BY_UUID = union_all(
    _one(_NUMBER, payments.c.public_id == _VALUE),
    _one(operations.c.payment_id, operations.c.operation_id == _VALUE),
    _one(outbox_events.c.payment_id, outbox_events.c.event_id == _VALUE),
)


def by_text(connection: Connection, channels: Iterable[str], value: str, before: int, limit: int) -> set[int]:
    """Payments with this reference, transaction id, payable, refund reference or gateway key; the newest of them."""
    parameters = {"value": value, "before": before, "at_most": limit}
    return set(connection.execute(_by_text(tuple(sorted(channels))), parameters).scalars())


def by_number(connection: Connection, number: int) -> set[int]:
    """The payment of this number."""
    return set(connection.execute(_BY_NUMBER, {"value": number}).scalars())


def by_uuid(connection: Connection, value: UUID) -> set[int]:
    """The payment with this public id, or of the operation or event with this id."""
    return set(connection.execute(_BY_UUID, {"value": value}).scalars())


@cache
def _by_bound_hash(channels: tuple[str, ...]) -> Any:
    return union_all(
        *(
            _one(
                table.c.payment_id,
                table.c.channel == channel,
                table.c.subject == bindparam("subject"),
                table.c.idempotency_hash == _VALUE,
            )
            for table in (payments, payment_refunds)
            for channel in channels
        )
    )


def bound_to(connection: Connection, channels: Iterable[str], subject: str, key_hash: str) -> set[int]:
    """Payments that this subject's key made or refunded, however long ago."""
    parameters = {"value": key_hash, "subject": subject}
    return set(connection.execute(_by_bound_hash(tuple(sorted(channels))), parameters).scalars())


_ROWS = (
    select(*(payments.c[name] for name in _SHOWN))
    .where(_NUMBER.in_(bindparam("ids", expanding=True)))
    .order_by(_NUMBER.desc())
)


def rows(connection: Connection, numbers: Iterable[int]) -> Sequence[RowMapping]:
    """These payments as lists show them, newest first."""
    return connection.execute(_ROWS, {"ids": list(numbers)}).mappings().all()


KEY = (
    "key_id",
    "channel",
    "subject",
    "key_hash",
    "request_path",
    "payment_id",
    "attempts",
    "leased_until",
    "recover_at",
    "response_status",
    "created_at",
    "updated_at",
    "expires_at",
)
KEY_COLUMNS = [*(keys.c[name] for name in KEY), (keys.c.leased_until > database_now()).label("is_leased")]
_OF_HASH = select(*KEY_COLUMNS).where(keys.c.key_hash == _VALUE).limit(bindparam("at_most"))


def keys_of_hash(connection: Connection, key_hash: str, limit: int) -> Sequence[RowMapping]:
    """Keys with this hash, whosever they are."""
    return connection.execute(_OF_HASH, {"value": key_hash, "at_most": limit}).mappings().all()
