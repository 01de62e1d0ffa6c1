"""What has become of a key: the question every caller has after a time-out, answered to its owner only."""

from collections.abc import Sequence

from payment_service.domain.callers import Caller
from payment_service.domain.records import KeyUse
from payment_service.repositories import inspection
from payment_service.services.commands import hash_key
from payment_service.services.runtime import Runtime


def uses_of_key(runtime: Runtime, caller: Caller, channels: Sequence[str], key: str) -> list[KeyUse]:
    """What the caller used its key for, in each of these channels where it did; nothing of anybody else's keys."""
    with runtime.database.reading() as connection:
        return inspection.of_key(connection, channels, caller.subject, hash_key(key))
