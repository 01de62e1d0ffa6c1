"""Idempotency keys: the row that serialises every decision about a key, with its lease, fence and cached answer."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, func, null, select, update
from sqlalchemy.exc import NoResultFound

from payment_service.domain.records import Facts
from payment_service.models import idempotency_keys as keys
from payment_service.models import operations, payment_refunds, payments
from payment_service.repositories.newkeys import LEASED, OF_SCOPE, Finished
from payment_service.repositories.prepared import Prepared
from payment_service.repositories.rows import OPERATION, PAYMENT, REFUND, facts_from
from payment_service.sqltypes import database_later, database_now, seconds


@dataclass(frozen=True)
class KeyRow:
    """A key as it stood at `looked_at` of the database's clock.

    `leased`: its owner may still be working; `expired`: its cached answer has ended.
    """

    key_id: int
    channel: str
    subject: str
    key_hash: str
    request_path: str
    rendering: str
    fingerprint: str
    payment_id: int | None
    operation_id: UUID | None
    owner: str
    fence: int
    attempts: int
    leased_until: datetime
    response_status: int | None
    response_data: str | None
    leased: bool
    expired: bool
    looked_at: datetime

    @property
    def finished(self) -> Finished | None:
        """Its answer, None while it has none."""
        if self.response_status is None or self.response_data is None:
            return None
        return Finished(
            self.key_id,
            self.fingerprint,
            self.payment_id,
            self.owner,
            self.response_status,
            self.response_data,
            self.expired,
        )

    @property
    def quiet_for(self) -> float:
        """Seconds since anybody may have sent something under this key; negative while somebody still may."""
        return (self.looked_at - self.leased_until).total_seconds()


_STORED = [keys.c[name] for name in KeyRow.__dataclass_fields__ if name in keys.c]
_COLUMNS = [column.label(f"keys_{column.name}") for column in _STORED] + [
    (keys.c.leased_until > database_now()).label("keys_leased"),
    func.coalesce(keys.c.expires_at < database_now(), False).label("keys_expired"),
    database_now().label("keys_looked_at"),
]
"""In the order of `KeyRow`'s fields."""

_BY_SCOPE = select(*_COLUMNS).where(*OF_SCOPE)

_FIND = Prepared(_BY_SCOPE)
_LOCK_BY_SCOPE = Prepared(_BY_SCOPE.with_for_update())


def lock_key(connection: Connection, channel: str, subject: str, key_hash: str) -> KeyRow | None:
    """The key's row, locked until the transaction ends."""
    return _one_key(connection, _LOCK_BY_SCOPE, channel, subject, key_hash)


def find_key(connection: Connection, channel: str, subject: str, key_hash: str) -> KeyRow | None:
    """The key's row as it stands, without a lock."""
    return _one_key(connection, _FIND, channel, subject, key_hash)


def _one_key(connection: Connection, statement: Prepared, channel: str, subject: str, key_hash: str) -> KeyRow | None:
    parameters = {"key_channel": channel, "key_subject": subject, "key_key_hash": key_hash}
    row = statement.one_or_none(connection, parameters)
    return None if row is None else KeyRow(*row)


_TAKE_OVER = (
    update(keys)
    .where(keys.c.key_id == bindparam("of_key"))
    .values(fence=keys.c.fence + 1, owner=bindparam("new_owner"), attempts=keys.c.attempts + 1, **LEASED)
    .returning(keys.c.fence)
)


def take_over(connection: Connection, key_id: int, owner: str, lease: float) -> int:
    """Make `owner` the key's owner for `lease` seconds; the new fence. The caller holds the row's lock."""
    parameters = {"of_key": key_id, "new_owner": owner, "lease": lease}
    return int(connection.execute(_TAKE_OVER, parameters).scalar_one())


_RELEASE = (
    update(keys)
    .where(keys.c.key_id == bindparam("of_key"))
    .values(
        leased_until=func.coalesce(bindparam("ended_at", type_=keys.c.leased_until.type), database_now()),
        recover_at=database_later(seconds("delay")),
    )
)


def release(connection: Connection, key_id: int, delay: float, ended_at: datetime | None = None) -> None:
    """End the lease: a repeat of the key may go on at once, the recovery worker after `delay` seconds.

    The end of a lease is the last moment at which its owner may have sent something: an owner that has sent nothing
    leaves the end of the lease before its own, `ended_at`.
    """
    connection.execute(_RELEASE, {"of_key": key_id, "delay": delay, "ended_at": ended_at})


_JOINED = (
    keys.join(payments, payments.c.payment_id == keys.c.payment_id)
    .outerjoin(operations, operations.c.operation_id == keys.c.operation_id)
    .outerjoin(payment_refunds, payment_refunds.c.operation_id == keys.c.operation_id)
)
_OF_KEY = keys.c.key_id == bindparam("key_id", type_=keys.c.key_id.type)


@dataclass(frozen=True)
class OwnedKey:
    """What an owner has to know of its key before it finishes; `version` is that of the key's payment."""

    fence: int
    attempts: int
    response_status: int | None
    response_data: str | None
    version: int


_LOCK_OWNED = Prepared(
    select(keys.c.fence, keys.c.attempts, keys.c.response_status, keys.c.response_data, payments.c.version)
    .select_from(keys.join(payments, payments.c.payment_id == keys.c.payment_id))
    .where(_OF_KEY)
    .with_for_update(of=[keys, payments])
)


def lock_owned(connection: Connection, key_id: int) -> OwnedKey | None:
    """The key, its row and its payment's row locked; None for one that was purged."""
    row = _LOCK_OWNED.one_or_none(connection, {"key_id": key_id})
    return None if row is None else OwnedKey(*row)


_WITH_FACTS = select(*_COLUMNS, *PAYMENT, *OPERATION, *REFUND).select_from(_JOINED)
_LOCK_WITH_FACTS = Prepared(_WITH_FACTS.where(_OF_KEY).with_for_update(of=[keys, payments]))


def lock_with_facts(connection: Connection, key_id: int) -> tuple[KeyRow, Facts]:
    """The key and what it is about, key row and payment row locked, in one round trip."""
    row = _LOCK_WITH_FACTS.one_or_none(connection, {"key_id": key_id})
    if row is None:
        raise NoResultFound
    return KeyRow(*row[: len(_COLUMNS)]), facts_from(row[len(_COLUMNS) :])


_DUE = (
    select(keys.c.key_id)
    .select_from(keys.join(payments, payments.c.payment_id == keys.c.payment_id))
    .where(
        keys.c.response_status.is_(null()),
        keys.c.recover_at < database_now(),
        keys.c.leased_until < database_now(),
    )
    # Whoever was never looked up comes before those that were, in vain: a hundred hung look-ups take minutes.
    .order_by(keys.c.attempts, keys.c.recover_at)
    .limit(1)
    .with_for_update(of=[keys, payments], skip_locked=True)
)


def lock_due(connection: Connection) -> int | None:
    """The unfinished key that was tried least and is longest overdue, its owner gone.

    Keys that others have locked are passed over, as are those whose payment is: somebody is at work on it.
    """
    return connection.execute(_DUE).scalar_one_or_none()


_OF_OPERATION = (
    select(keys.c.key_id)
    .where(
        keys.c.response_status.is_(null()),
        keys.c.operation_id == bindparam("operation", type_=keys.c.operation_id.type),
    )
    .with_for_update()
)


def lock_unfinished(connection: Connection, operation_id: UUID) -> int | None:
    """The unfinished key of an operation, None where it is decided or there is no such operation."""
    return connection.execute(_OF_OPERATION, {"operation": operation_id}).scalar_one_or_none()


_HAS_ENDED = (
    keys.c.response_status.is_not(null()),
    keys.c.expires_at < bindparam("moment", type_=keys.c.expires_at.type),
    keys.c.expires_at < database_now(),  # whoever purges may be ahead of time
)
_PURGEABLE = (
    select(keys.c.key_id)
    .where(*_HAS_ENDED)
    .order_by(keys.c.expires_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("purgeable")  # not a subquery, which PostgreSQL may run once for each row, each time with a limit of its own
)
_PURGE = delete(keys).where(keys.c.key_id.in_(select(_PURGEABLE.c.key_id))).returning(keys.c.key_id)


def purge(connection: Connection, moment: datetime, limit: int) -> int:
    """Delete up to `limit` answers that ended before `moment`; how many. Unfinished keys are never touched."""
    return len(connection.execute(_PURGE, {"moment": moment, "limit": limit}).all())


_COUNT_PURGEABLE = select(func.count()).select_from(keys).where(*_HAS_ENDED)


def count_purgeable(connection: Connection, moment: datetime) -> int:
    """How many answers ended before `moment`, for a progress bar."""
    return int(connection.execute(_COUNT_PURGEABLE, {"moment": moment}).scalar_one())
