"""Keys without a working owner: undecided ones by their timers, abandoned ones by number from a watermark.

No index names the unfinished keys, because every charge would have to leave it: PostgreSQL would then rewrite all index
entries of the row. A key that its owner released undecided has a timer. A key of a dead owner is younger than the
watermark, which passes only keys that are finished or have a timer.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, func, null, or_, select, union

from payment_service.connection import Connection
from payment_service.domain.business_metrics import KeyFigures
from payment_service.models import idempotency_keys as keys
from payment_service.models import timers, watermarks
from payment_service.repositories import watermarks as marks
from payment_service.sqltypes import database_later, database_now, seconds, seconds_since

MARGIN = 300.0
"""Seconds of a key's age before the watermark passes it: longer than any transaction that draws a number stays open."""

RECOVERY = "recovery"

MOST = 10_000
"""The most unfinished keys that are counted: beyond it no operator needs an exact number to act."""

# A subquery of its own and an outer join: a database that is spread keeps the timers on one machine, and lends the
# others this list. PostgreSQL and SQLite take it for the same anti-join as NOT EXISTS.
_TIMERS = select(timers.c.what).where(timers.c.kind == "recover").subquery("recover_timers")
_KEYS_AND_TIMERS = keys.outerjoin(_TIMERS, _TIMERS.c.what == keys.c.key_id)
_HAS_NO_TIMER = _TIMERS.c.what.is_(null())
_FLOOR = select(func.coalesce(func.max(watermarks.c.value), 0)).where(watermarks.c.name == RECOVERY).scalar_subquery()
_UNFINISHED = keys.c.response_status.is_(null())
_ABANDONED = (
    select(keys.c.key_id)
    .select_from(_KEYS_AND_TIMERS)
    .where(keys.c.key_id > _FLOOR, _UNFINISHED, keys.c.leased_until < database_now(), _HAS_NO_TIMER)
    .order_by(keys.c.key_id)
    .limit(bindparam("at_most"))
)
_DUE = (
    select(timers.c.what)
    .where(timers.c.kind == "recover", timers.c.due_at <= database_now())
    # New ones come before those looked up in vain: a hundred hung look-ups take minutes.
    .order_by(timers.c.attempts, timers.c.due_at)
    .limit(bindparam("at_most"))
)


def candidates(connection: Connection, limit: int) -> Sequence[int]:
    """Return at most `limit` keys that have lost their owner: first those never looked after, then by tries."""
    abandoned = connection.execute(_ABANDONED, {"at_most": limit}).scalars().all()
    return [*abandoned, *connection.execute(_DUE, {"at_most": limit}).scalars()][:limit]


def _passed_by_nobody() -> ColumnElement[bool]:
    return or_(keys.c.leased_until > database_later(seconds("margin")), _UNFINISHED & _HAS_NO_TIMER)


# A finished key looks for no timer: the watermark may have a million of them before it.
_OPEN_KEYS_AND_TIMERS = keys.outerjoin(_TIMERS, _TIMERS.c.what == case((_UNFINISHED, keys.c.key_id)))
_FIRST_NOT_PASSED = (
    select(keys.c.key_id)
    .select_from(_OPEN_KEYS_AND_TIMERS)
    .where(keys.c.key_id > _FLOOR, _passed_by_nobody())
    .order_by(keys.c.key_id)
    .limit(1)
)


def last_passed(before: ColumnElement[int]) -> Select[Any]:
    """Return the query for the last key behind the watermark that may be passed and has a number below `before`.

    It takes the number of an existing key: a number between two keys may belong to a transaction which has not
    committed yet. It passes no young key, even if the look for the first key not passed has missed that one: a database
    that is spread answers the two queries one after the other, and each machine at its own moment.
    """
    is_old = keys.c.leased_until <= database_later(seconds("margin"))
    return select(func.max(keys.c.key_id)).where(keys.c.key_id > _FLOOR, keys.c.key_id < before, is_old)


_NEXT = last_passed(func.coalesce(_FIRST_NOT_PASSED.scalar_subquery(), 2**63 - 1))


def next_watermark(connection: Connection) -> int | None:
    """Return the watermark's next value, before the first key that may still be abandoned. None if it cannot move."""
    last = connection.execute(_NEXT, {"margin": -MARGIN}).scalar()
    return last if last is not None and last > marks.value(connection, RECOVERY) else None


UNFINISHED_KEYS = union(
    select(keys.c.key_id).where(keys.c.key_id > _FLOOR, _UNFINISHED).limit(MOST).subquery().select(),
    select(timers.c.what).where(timers.c.kind == "recover").limit(MOST).subquery().select(),
)
"""The numbers of keys without a final response."""

# A customer who authenticates may take long, and the gateway's action has an end of its own.
_WITH_CUSTOMER = keys.c.action.is_not(None) & keys.c.cancel_asked.is_(None)
_SEEN = (
    select(
        keys.c.created_at,
        keys.c.review_reason,
        (keys.c.leased_until > database_now()).label("leased"),
        ((keys.c.leased_until <= database_now()) & ~_WITH_CUSTOMER).label("undecided"),
    )
    .where(keys.c.key_id.in_(UNFINISHED_KEYS), _UNFINISHED)
    .subquery()
)
_FIGURES = select(
    func.count(case((_SEEN.c.leased, 1))).label("in_flight"),
    func.count(case((_SEEN.c.undecided, 1))).label("undecided"),
    func.count(_SEEN.c.review_reason).label("for_review"),
    func.coalesce(seconds_since(func.min(case((_SEEN.c.undecided, _SEEN.c.created_at)))), 0).label("oldest"),
)


def figures(connection: Connection) -> KeyFigures:
    """Count keys with an owner, undecided ones, and those for review; and the seconds that the oldest is undecided."""
    row = connection.execute(_FIGURES).one()
    # The age mixes the database's clock with ours, which may be a little ahead.
    return KeyFigures(row.in_flight, row.undecided, max(0.0, float(row.oldest)), row.for_review)


_STRANDED = (
    select(keys.c.key_id)
    .select_from(_KEYS_AND_TIMERS)
    .where(keys.c.key_id.in_(bindparam("ids", expanding=True)), keys.c.key_id <= _FLOOR, _HAS_NO_TIMER)
)


def stranded(connection: Connection, key_ids: Sequence[int]) -> frozenset[int]:
    """Return those of these unfinished keys that recovery would never find."""
    return frozenset(connection.execute(_STRANDED, {"ids": list(key_ids)}).scalars())
