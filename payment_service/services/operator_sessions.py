"""The sessions of operators: each ends by its time, by signing out, or by a revocation of its subject.

A session also ends by idleness: too long without a request.

The browser has a random text, the database its digest: neither a copy of the database nor its log opens a session.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import structlog

from payment_service import clock
from payment_service.connection import Connection
from payment_service.domain.errors import Unauthenticated, Unavailable
from payment_service.repositories import operator_sessions as sessions
from payment_service.services.dependencies import Dependencies

log = structlog.get_logger(__name__)

_DIGITS = 64
_SEEN_EVERY = timedelta(minutes=1)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


class SessionsRevoked(Unauthenticated):
    """Your sessions were revoked after this token was issued: sign in anew"""

    code = "sessions_revoked"


@dataclass(frozen=True)
class SignIn:
    """A verified sign-in. `issued`, `expires`: of a pasted token, seconds since 1970; None without one."""

    subject: str
    way: Literal["PROVIDER", "TOKEN"]
    issued: float | None = None
    expires: float | None = None


def begin(deps: Dependencies, sign_in: SignIn, seconds: int, previous: str) -> str:
    """Begin a session of so many seconds at most, and end the browser's `previous` one. Return the new cookie's value.

    Raises Unauthenticated for a token that has ended, SessionsRevoked for one that is older than the last revocation of
    its subject.
    """
    session = clock.new_hex(_DIGITS)
    deps.database.run("begin_session", _begin, sign_in, session, timedelta(seconds=seconds), previous)
    return session


def _begin(connection: Connection, sign_in: SignIn, session: str, longest: timedelta, previous: str) -> None:
    now = clock.now()
    if sessions.find(connection, _digest(session), now):  # an earlier COMMIT, with its answer lost
        return
    issued_at = now if sign_in.issued is None else min(now, _moment(sign_in.issued))
    ends_at = now + longest if sign_in.expires is None else min(now + longest, _moment(sign_in.expires))
    revoked_at = sessions.last_revocation(connection, sign_in.subject)
    if ends_at <= now:
        raise Unauthenticated
    if revoked_at is not None and revoked_at >= issued_at:
        raise SessionsRevoked
    sessions.sign_out(connection, _digest(previous), now)
    sessions.insert_session(
        connection,
        session_hash=_digest(session),
        subject=sign_in.subject,
        way=sign_in.way,
        issued_at=issued_at,
        began_at=now,
        ends_at=ends_at,
        seen_at=now,
    )


def find(deps: Dependencies, session: str, idle_seconds: int) -> str | None:
    """Return the subject of a cookie's session, None if there is none or it has ended in any way.

    The request counts against idleness. Where it cannot be stored, as in a read-only database, the session stays open.
    """
    now = clock.now()
    with deps.database.reading() as connection:
        found = sessions.find(connection, _digest(session), now)
    if found is None or (idle := now - found["seen_at"]) >= timedelta(seconds=idle_seconds):
        return None
    if idle >= min(_SEEN_EVERY, timedelta(seconds=idle_seconds / 2)):
        with suppress(Unavailable):
            deps.database.run("see_session", sessions.see, _digest(session), now)
    return str(found["subject"])


def sign_out(deps: Dependencies, session: str) -> str | None:
    """End a cookie's session. Return its subject, None if none was open."""
    return deps.database.run("sign_out", sessions.sign_out, _digest(session), clock.now())


def revoke(deps: Dependencies, subject: str, actor: str) -> int:
    """End all sessions of a subject that began before now, and refuse its older tokens. Return how many were live."""
    ended = deps.database.run("revoke", sessions.revoke, subject, actor, clock.now())
    log.info("ops.revoked", subject=subject, actor=actor, sessions=ended)
    return ended


def purge(deps: Dependencies) -> int:
    """Delete expired sessions. Return how many."""
    return deps.database.run("purge", sessions.purge, clock.now())


def _digest(session: str) -> str:
    return hashlib.sha256(session.encode()).hexdigest()


def _moment(seconds: float) -> datetime:
    """Return a token's time; for a time outside the calendar, the end of time."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return _END_OF_TIME
