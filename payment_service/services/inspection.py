"""What has become of a key: the question every caller has after a time-out, answered to its owner only."""

from collections.abc import Sequence

from payment_service.domain.callers import Caller
from payment_service.domain.operations import Kind, gateway_key
from payment_service.domain.records import KeyUse
from payment_service.repositories import inspection
from payment_service.services.requests import hash_key
from payment_service.services.runtime import Runtime


def uses_of_key(runtime: Runtime, caller: Caller, channels: Sequence[str], key: str) -> list[KeyUse]:
    """What the caller used its key for, in each of these channels where it did; nothing of anybody else's keys."""
    key_hash = hash_key(key)
    with runtime.database.reading() as connection:
        known = inspection.of_key(connection, channels, caller.subject, key_hash)
        rest = [channel for channel in channels if channel not in {use.channel for use in known}]
        keys = [gateway_key(channel, caller.subject, key_hash, kind) for channel in rest for kind in Kind]
        bound = inspection.bound_to(connection, rest, caller.subject, key_hash, keys) if rest else []
    return [*known, *bound]
