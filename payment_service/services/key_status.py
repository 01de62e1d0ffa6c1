"""The status of a key: callers ask for it after a time-out, and only the key's owner gets an answer."""

from collections.abc import Sequence

from payment_service.domain.keys import hash_key
from payment_service.domain.principals import Principal
from payment_service.domain.records import KeyStatus
from payment_service.repositories import key_status
from payment_service.services.dependencies import Dependencies


def key_statuses(deps: Dependencies, principal: Principal, channels: Sequence[str], key: str) -> list[KeyStatus]:
    """Return the uses of the caller's own key in these channels, at most one for each."""
    found: dict[str, KeyStatus] = {}
    with deps.database.reading() as connection:
        for subject in principal.subjects:
            for status in key_status.of_key(connection, channels, subject, hash_key(key)):
                found.setdefault(status.channel, status)
    return list(found.values())


def is_known(deps: Dependencies, principal: Principal, channel: str, key: str) -> bool:
    """Return whether the caller has used this key in a channel."""
    return bool(key_statuses(deps, principal, [channel], key))
