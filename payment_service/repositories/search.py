"""The operators' search: find a payment by any known identifier. Every query uses an index that fits it.

A query searches each channel separately: an index that begins with the channel then gives the newest first, and
PostgreSQL is not tempted to read the payments backwards until it has found enough.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, bindparam, func, null, select, union_all

from payment_service.connection import Connection
from payment_service.models import idempotency_keys as keys
from payment_service.models import payment_refunds, payments, reservations, timers, transactions
from payment_service.models.columns import LONGEST_VALUE
from payment_service.repositories.recovery import UNFINISHED_KEYS
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


def _newest(*conditions: Any) -> Select[Any]:
    """Select the newest payments below `before` that meet all conditions."""
    newest = select(_NUMBER).where(*conditions, bindparam("before") > _NUMBER)
    found = newest.order_by(_NUMBER.desc()).limit(bindparam("at_most")).subquery()
    return select(found.c.payment_id)


def _one(column: ColumnElement[Any], *conditions: Any) -> Select[Any]:
    """Select the payment of the one row, or the few, of any table that meet all conditions."""
    return select(column.label("payment_id")).where(*conditions)


@cache
def _by_text(channels: tuple[str, ...]) -> Any:
    return union_all(
        *(_newest(payments.c.channel == channel, payments.c.payable_id == _VALUE) for channel in channels),
        *(
            _one(
                reservations.c.payment_id,
                reservations.c.channel == channel,
                reservations.c.kind == "transaction",
                reservations.c.value == _VALUE,
            )
            for channel in channels
        ),
        _newest(payments.c.reference == _VALUE),
        _one(payment_refunds.c.payment_id, payment_refunds.c.public_reference == _VALUE),
        _one(keys.c.payment_id, keys.c.gateway_key == _VALUE),
    )


_BY_NUMBER = _one(_NUMBER, _NUMBER == _VALUE)
_BY_UUID = union_all(
    _one(_NUMBER, payments.c.public_id == _VALUE),
    _one(keys.c.payment_id, keys.c.operation_id == _VALUE),
    _one(transactions.c.payment_id, transactions.c.event_id == _VALUE),
)


def by_text(connection: Connection, channels: Iterable[str], value: str, before: int, limit: int) -> set[int]:
    """Return the newest payments with this reference, transaction id, payable, refund reference or gateway key."""
    if len(value) > LONGEST_VALUE:
        return set()
    parameters = {"value": value, "before": before, "at_most": limit}
    return set(connection.execute(_by_text(tuple(sorted(channels))), parameters).scalars())


def by_number(connection: Connection, number: int) -> set[int]:
    """Return the payment of this number."""
    return set(connection.execute(_BY_NUMBER, {"value": number}).scalars())


def by_uuid(connection: Connection, value: UUID) -> set[int]:
    """Return the payment with this public id, or of the operation or event with this id."""
    return set(connection.execute(_BY_UUID, {"value": value}).scalars())


_ROWS = (
    select(*(payments.c[name] for name in _SHOWN))
    .where(_NUMBER.in_(bindparam("ids", expanding=True)))
    .order_by(_NUMBER.desc())
)


def rows(connection: Connection, numbers: Iterable[int]) -> Sequence[RowMapping]:
    """Return these payments as lists show them, newest first."""
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
    "response_status",
    "created_at",
    "updated_at",
    "expires_at",
)
KEY_COLUMNS = [
    *(keys.c[name] for name in KEY),
    (keys.c.leased_until > database_now()).label("is_leased"),
    keys.c.response_data.is_not(null()).label("is_kept"),
]
_OF_HASH = select(*KEY_COLUMNS).where(keys.c.key_hash == _VALUE).limit(bindparam("at_most"))


def keys_of_hash(connection: Connection, key_hash: str, limit: int) -> Sequence[RowMapping]:
    """Return the keys with this hash, of every subject."""
    return connection.execute(_OF_HASH, {"value": key_hash, "at_most": limit}).mappings().all()


_UNFINISHED = (
    select(
        *KEY_COLUMNS,
        func.coalesce(timers.c.due_at, keys.c.leased_until).label("recover_at"),
        keys.c.operation_id,
        keys.c.kind,
        keys.c.review_reason,
    )
    .join_from(keys, timers, (timers.c.kind == "recover") & (timers.c.what == keys.c.key_id), isouter=True)
    .where(keys.c.key_id.in_(UNFINISHED_KEYS), keys.c.response_status.is_(null()))
    # Keys that need a person come first: an hourly look-up would place them behind all the rest.
    .order_by(keys.c.review_reason.is_(null()), func.coalesce(timers.c.due_at, keys.c.leased_until), keys.c.key_id)
    .limit(bindparam("at_most"))
)


def unfinished_keys(connection: Connection, limit: int) -> Sequence[RowMapping]:
    """Return keys without a final response, with their operations: those that need a person, then by time."""
    return connection.execute(_UNFINISHED, {"at_most": limit}).mappings().all()
