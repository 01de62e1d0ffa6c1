"""Gateways' notices: each stored once, and due until it is handled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Double, bindparam, delete, func, literal, null, select, update

from payment_service.connection import Connection
from payment_service.domain.business_metrics import NoticeFigures
from payment_service.domain.operations import Kind, OperationStatus
from payment_service.domain.records import IdempotencyKey
from payment_service.gateways.notices import Notice
from payment_service.models import gateway_notices as notices
from payment_service.models import idempotency_keys as keys
from payment_service.repositories.key_lookups import lock_unowned
from payment_service.repositories.keys import set_timer
from payment_service.repositories.rows import KEY, record_from
from payment_service.sqltypes import database_later, database_now, seconds, seconds_since

MOST = 10_000
"""The most notices that are counted: beyond it no operator needs an exact number to act."""


@dataclass(frozen=True)
class StoredNotice:
    """A due notice. `age`: seconds since it came; `attempts`: how often the worker has looked at it."""

    notice_id: int
    gateway: str
    event_id: str
    type: str
    gateway_key: str | None
    reference: str | None
    content: str | None
    attempts: int
    age: float


def store(connection: Connection, gateway: str, notice: Notice, gateway_key: str | None, *, whole: bool) -> int | None:
    """Store a notice, due at once. Return its number, None if it is stored already. `whole`: with its content."""
    values = {
        "gateway": gateway,
        "event_id": notice.event_id,
        "type": notice.type,
        "gateway_key": gateway_key,
        "reference": notice.reference,
        "content": notice.content if whole else None,
    }
    found = connection.row("insert_notice", values)
    return None if found is None else int(found[0])


_IS_OPEN = select(keys.c.response_status.is_(null())).where(keys.c.gateway_key == bindparam("gateway_key"))


def is_open(connection: Connection, gateway_key: str) -> bool | None:
    """Return whether the operation of this gateway key is undecided; None if it is not ours."""
    found = connection.execute(_IS_OPEN, {"gateway_key": gateway_key}).scalar()
    return None if found is None else bool(found)


_KEYS = select(
    *KEY,
    literal(0).label("leased"),
    literal(0).label("expired"),
    keys.c.leased_until.label("looked_at"),
).where(keys.c.gateway_key.in_(bindparam("gateway_keys", expanding=True)))


def known_keys(connection: Connection, gateway_keys: Sequence[str]) -> dict[str, IdempotencyKey]:
    """Return our keys that have these gateway keys, by gateway key. Locks nothing."""
    if not gateway_keys:
        return {}
    found = [record_from(IdempotencyKey, row) for row in connection.execute(_KEYS, {"gateway_keys": gateway_keys})]
    return {str(key.gateway_key): key for key in found}


_OPEN = select(keys.c.gateway_key).where(
    keys.c.payment_id == bindparam("payment_id"), keys.c.response_status.is_(null()), keys.c.gateway_key.is_not(null())
)


def open_keys(connection: Connection, payment_id: int) -> Sequence[str]:
    """Return the gateway keys of a payment's unfinished operations. Locks nothing."""
    return [str(key) for key in connection.execute(_OPEN, {"payment_id": payment_id}).scalars()]


_REFUNDS = (
    select(keys.c.gateway_key)
    .where(
        keys.c.payment_id.in_(
            select(keys.c.payment_id).where(keys.c.gateway_key == bindparam("gateway_key")).scalar_subquery()
        ),
        keys.c.kind == Kind.REFUND,
        keys.c.operation_status == OperationStatus.SUCCEEDED,
    )
    .order_by(keys.c.key_id)
)


def refunds_beside(connection: Connection, gateway_key: str) -> Sequence[str]:
    """Return the gateway keys of the succeeded refunds beside an operation, on its payment, oldest first."""
    return [str(key) for key in connection.execute(_REFUNDS, {"gateway_key": gateway_key}).scalars()]


def wake(connection: Connection, gateway_key: str) -> bool:
    """Let recovery look an open operation up now. Return False if an owner works on it and may look too early.

    Takes the key's lock, so that no owner that looked before sets the timer after.
    """
    key_id = lock_unowned(connection, gateway_key)
    if key_id is None:
        return False
    set_timer(connection, key_id, 0, 0.0)
    return True


_DUE = (
    select(
        *(notices.c[name] for name in ("notice_id", "gateway", "event_id", "type", "gateway_key", "reference")),
        notices.c.content,
        notices.c.attempts,
        seconds_since(notices.c.received_at).label("age"),
    )
    .where(notices.c.due_at <= database_now())
    .order_by(notices.c.due_at)
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True)
)


def lock_due(connection: Connection, limit: int) -> Sequence[StoredNotice]:
    """Return the notices that are due longest, their rows locked; skip rows that another transaction has locked."""
    return [StoredNotice(*row) for row in connection.execute(_DUE, {"at_most": limit})]


_HANDLED = update(notices).where(notices.c.notice_id == bindparam("number")).values(due_at=null())
_AGAIN = (
    update(notices)
    .where(notices.c.notice_id == bindparam("number"))
    .values(attempts=notices.c.attempts + 1, due_at=database_later(seconds("pause")))
)


_DUE_NOW = (
    update(notices)
    .where(notices.c.gateway == bindparam("sender"), notices.c.event_id == bindparam("event"))
    .values(due_at=database_now())
)


def let_be_due(connection: Connection, gateway: str, event_id: str) -> None:
    """Let the worker look at a stored notice now, even one that is handled."""
    connection.execute(_DUE_NOW, {"sender": gateway, "event": event_id})


def mark_handled(connection: Connection, notice_id: int) -> None:
    """Take a handled notice off the worker's list."""
    connection.execute(_HANDLED, {"number": notice_id})


def postpone(connection: Connection, notice_id: int, pause: float) -> None:
    """Let the worker look at a notice again in `pause` seconds."""
    connection.execute(_AGAIN, {"number": notice_id, "pause": pause})


def _count(*conditions: Any) -> Any:
    waiting = select(notices.c.notice_id).where(notices.c.due_at.is_not(null()), *conditions).limit(MOST)
    return select(func.count()).select_from(waiting.subquery()).scalar_subquery()


_is_old = seconds_since(notices.c.received_at) > bindparam("patience", type_=Double())
_FIGURES = select(_count(~_is_old).label("waiting"), _count(_is_old).label("unmatched"))


def figures(connection: Connection, patience: float) -> NoticeFigures:
    """Count the notices that wait, and those that still fit nothing after `patience` seconds."""
    row = connection.execute(_FIGURES, {"patience": patience}).one()
    return NoticeFigures(row.waiting, row.unmatched)


_OLDEST = select(notices.c.notice_id, notices.c.received_at).order_by(notices.c.notice_id).limit(bindparam("at_most"))
_PURGE = delete(notices).where(notices.c.notice_id <= bindparam("last"), notices.c.received_at < bindparam("before"))


def purge(connection: Connection, before: datetime, limit: int) -> int:
    """Delete notices received before a moment, at most `limit`. Return how many."""
    old = [row.notice_id for row in connection.execute(_OLDEST, {"at_most": limit}) if row.received_at < before]
    if not old:
        return 0
    return connection.execute(_PURGE, {"last": old[-1], "before": before}).rowcount
