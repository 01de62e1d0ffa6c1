"""What has become of a key: the question every caller has after a time-out, answered to its owner only."""

from collections.abc import Sequence

from payment_service.domain.callers import Caller
from payment_service.domain.operations import Kind
from payment_service.domain.records import KeyUse
from payment_service.repositories import inspection
from payment_service.services.commands import KeyScope, hash_key
from payment_service.services.runtime import Runtime


def uses_of_key(runtime: Runtime, caller: Caller, channels: Sequence[str], key: str) -> list[KeyUse]:
    """What the caller used its key for, in each of these channels where it did; nothing of anybody else's keys."""
    scopes = [KeyScope(channel, caller.subject, hash_key(key), is_client_key=True) for channel in channels]
    with runtime.database.reading() as connection:
        known = inspection.of_key(connection, channels, caller.subject, hash_key(key))
        found = {use.channel for use in known}
        rest = [scope.gateway_key(kind) for scope in scopes if scope.channel not in found for kind in Kind]
        return [*known, *inspection.of_gateway_keys(connection, rest)] if rest else known
