"""The users that tokens name: a cache of the auth service's subjects, refreshed whenever a token differs."""

from datetime import datetime

from payment_service.connection import Connection


def remember(
    connection: Connection, subject: str, email: str | None, *, is_verified: bool | None, at: datetime
) -> None:
    """Create the user's row, or refresh it from the token; None keeps the stored value."""
    values = {"auth_user_id": subject, "email": email, "is_verified": is_verified, "at": at}
    connection.write("remember_user", values)


def find(connection: Connection, subject: str) -> tuple[str | None, bool] | None:
    """Return a user's email and whether it is verified, None for a subject never seen."""
    row = connection.row("find_user", {"auth_user_id": subject})
    return None if row is None else (row[0], bool(row[1]))
