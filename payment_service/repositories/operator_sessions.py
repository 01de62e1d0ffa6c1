"""Operators' sessions and revocations: begin, look up on each request, end."""

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, and_, bindparam, delete, exists, func, insert, null, select, update

from payment_service.connection import Connection
from payment_service.models import operator_revocations as revocations
from payment_service.models import operator_sessions as sessions

_INSERT, _REVOKE = insert(sessions), insert(revocations)
_IS_REVOKED = exists().where(
    revocations.c.subject == sessions.c.subject, revocations.c.revoked_at >= sessions.c.issued_at
)
_IS_LIVE = and_(
    sessions.c.ends_at > bindparam("now", type_=sessions.c.ends_at.type),
    sessions.c.signed_out_at.is_(null()),
    ~_IS_REVOKED,
)
_SESSION = sessions.c.session_hash == bindparam("hash")
_SEEN_AT = func.coalesce(sessions.c.seen_at, sessions.c.began_at, type_=sessions.c.ends_at.type)
_FIND = select(sessions.c.subject, _SEEN_AT.label("seen_at")).where(_SESSION, _IS_LIVE)
_SEE = update(sessions).where(_SESSION).values(seen_at=bindparam("now", type_=sessions.c.ends_at.type))
_LIVE = select(func.count()).select_from(sessions).where(sessions.c.subject == bindparam("of"), _IS_LIVE)
_SIGN_OUT = (
    update(sessions)
    .where(_SESSION, sessions.c.signed_out_at.is_(null()))
    .values(signed_out_at=bindparam("now", type_=sessions.c.ends_at.type))
    .returning(sessions.c.subject)
)
_LAST = select(func.max(revocations.c.revoked_at)).where(revocations.c.subject == bindparam("of"))
_PURGE = delete(sessions).where(sessions.c.ends_at < bindparam("now", type_=sessions.c.ends_at.type))


def insert_session(connection: Connection, **values: Any) -> None:
    """Store a session; `values` are its columns."""
    connection.execute(_INSERT, values)


def find(connection: Connection, session_hash: str, now: datetime) -> RowMapping | None:
    """Return the `subject` and `seen_at` of a session; None if there is none or it has ended, but for idleness."""
    return connection.execute(_FIND, {"hash": session_hash, "now": now}).mappings().one_or_none()


def see(connection: Connection, session_hash: str, now: datetime) -> None:
    """Store the moment of the session's last request."""
    connection.execute(_SEE, {"hash": session_hash, "now": now})


def sign_out(connection: Connection, session_hash: str, now: datetime) -> str | None:
    """End a session. Return its subject, None if there is no open session."""
    return connection.execute(_SIGN_OUT, {"hash": session_hash, "now": now}).scalar_one_or_none()


def last_revocation(connection: Connection, subject: str) -> datetime | None:
    """Return when the subject's sessions were last revoked, None for never."""
    found: datetime | None = connection.execute(_LAST, {"of": subject}).scalar_one()
    return found


def revoke(connection: Connection, subject: str, actor: str, now: datetime) -> int:
    """Revoke the subject's sessions until now. Return how many were live."""
    live = connection.execute(_LIVE, {"of": subject, "now": now}).scalar_one()
    connection.execute(_REVOKE, {"subject": subject, "actor": actor, "revoked_at": now})
    return int(live)


def purge(connection: Connection, now: datetime) -> int:
    """Delete expired sessions. Return how many."""
    return connection.execute(_PURGE, {"now": now}).rowcount
