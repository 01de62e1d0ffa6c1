"""The users a token told us of: a cache of the auth service's subjects, refreshed whenever a token differs."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from payment_service.connection import Connection
from payment_service.models import users

_VALUES = {
    name: bindparam(f"user_{name}", type_=users.c[name].type)
    for name in ("auth_user_id", "email", "is_verified", "created_at", "updated_at")
}


def _upsert(dialect: Any) -> Any:
    given = dialect.insert(users).values(_VALUES)
    return given.on_conflict_do_update(
        index_elements=["auth_user_id"],
        set_={name: given.excluded[name] for name in ("email", "is_verified", "updated_at")},
        where=or_(
            users.c.email.is_distinct_from(given.excluded.email),
            users.c.is_verified.is_distinct_from(given.excluded.is_verified),
        ),
    )


_UPSERT = {"postgresql": _upsert(postgresql), "sqlite": _upsert(sqlite)}


def remember(connection: Connection, auth_user_id: str, email: str | None, *, is_verified: bool, at: datetime) -> None:
    """Create the user's row, or refresh what the token says differently."""
    connection.execute(
        _UPSERT[connection.database],
        {
            "user_auth_user_id": auth_user_id,
            "user_email": email,
            "user_is_verified": is_verified,
            "user_created_at": at,
            "user_updated_at": at,
        },
    )


_KNOWN = select(users.c.email, users.c.is_verified).where(users.c.auth_user_id == bindparam("auth_user_id"))


def find(connection: Connection, auth_user_id: str) -> tuple[str | None, bool] | None:
    """A user's email and whether it is verified, None for a subject never seen."""
    row = connection.execute(_KNOWN, {"auth_user_id": auth_user_id}).one_or_none()
    return None if row is None else (row.email, row.is_verified)
