"""What has become of a key: the question every caller has after a time-out, answered to its owner only."""

from collections.abc import Sequence

from payment_service.domain.keys import hash_key
from payment_service.domain.principals import Principal
from payment_service.domain.records import KeyStatus
from payment_service.repositories import key_status
from payment_service.services.dependencies import Dependencies


def key_statuses(deps: Dependencies, principal: Principal, channels: Sequence[str], key: str) -> list[KeyStatus]:
    """What the caller used its key for, in each of these channels where it did; nothing of anybody else's keys."""
    found: dict[str, KeyStatus] = {}
    with deps.database.reading() as connection:
        for subject in principal.subjects:
            for status in key_status.of_key(connection, channels, subject, hash_key(key)):
                found.setdefault(status.channel, status)
    return list(found.values())


def is_known(deps: Dependencies, principal: Principal, channel: str, key: str) -> bool:
    """Whether the caller has used this key in a channel."""
    return bool(key_statuses(deps, principal, [channel], key))
