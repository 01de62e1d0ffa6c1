"""Who has been here: the user row behind a token's subject."""

from payment_service import clock
from payment_service.connection import TransactionLost
from payment_service.domain.callers import Caller
from payment_service.repositories import users
from payment_service.services.runtime import Runtime


def remember(runtime: Runtime, caller: Caller) -> None:
    """Create or refresh the row of a token's subject; most often there is nothing to write."""
    with runtime.database.reading() as connection:
        known = users.find(connection, caller.subject)
    if known != (caller.email, caller.is_verified):
        _write(runtime, caller)


def _write(runtime: Runtime, caller: Caller) -> None:
    for attempt in runtime.database.attempts():
        with attempt, runtime.database.atomic("user") as connection:
            users.remember(connection, caller.subject, caller.email, is_verified=caller.is_verified, at=clock.now())
            return
    raise TransactionLost
