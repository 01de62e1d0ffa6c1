"""Retention of stored responses: it walks the keys by number, since responses end in about that order."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Boolean, and_, bindparam, delete, func, null, or_, select, type_coerce, update

from payment_service.connection import Connection
from payment_service.models import idempotency_keys as keys
from payment_service.sqltypes import database_now

_HAS_ENDED = and_(
    keys.c.expires_at < bindparam("moment", type_=keys.c.expires_at.type),
    keys.c.expires_at < database_now(),  # the purging host's clock may be ahead
)
_NEXT = (
    select(keys.c.key_id, type_coerce(_HAS_ENDED, Boolean).label("has_ended"))
    .where(keys.c.key_id > bindparam("after"))
    .order_by(keys.c.key_id)
    .limit(bindparam("at_most"))
)
_FIRST_LASTING = (
    select(func.min(keys.c.key_id)).where(keys.c.key_id > bindparam("after"), ~_HAS_ENDED).scalar_subquery()
)
_COUNT = select(func.count()).where(
    keys.c.key_id > bindparam("after"), keys.c.key_id < func.coalesce(_FIRST_LASTING, 2**63 - 1)
)


def ended_keys(connection: Connection, after: int, moment: datetime, limit: int) -> Sequence[int]:
    """Return the next keys after a number, up to the first with a response that lasts beyond `moment`."""
    found = []
    for row in connection.execute(_NEXT, {"after": after, "moment": moment, "at_most": limit}):
        if not row.has_ended:
            break
        found.append(row.key_id)
    return found


def count_ended(connection: Connection, after: int, moment: datetime) -> int:
    """Count them, for a progress bar."""
    return int(connection.execute(_COUNT, {"after": after, "moment": moment}).scalar_one())


_BETWEEN = keys.c.key_id.between(bindparam("first"), bindparam("last"))
_FINISHED = keys.c.response_status.is_not(null())
_MADE_NOTHING = or_(keys.c.payment_id.is_(null()), and_(~keys.c.is_client_key, keys.c.kind.is_(null())))
_DELETE = delete(keys).where(_BETWEEN, _FINISHED, _MADE_NOTHING)
_EMPTY = update(keys).where(_BETWEEN, keys.c.response_data.is_not(null())).values(response_data=null())


def purge(connection: Connection, key_ids: Sequence[int]) -> int:
    """Empty the responses of these keys, and delete the keys that made nothing. Return how many of both."""
    span = {"first": key_ids[0], "last": key_ids[-1]}
    deleted = connection.execute(_DELETE, span).rowcount
    return deleted + connection.execute(_EMPTY, span).rowcount
