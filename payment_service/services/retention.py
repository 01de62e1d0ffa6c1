"""Retention: empty stored responses after `IDEMPOTENCY_KEY_TTL`, delete old notices. Keys stay, bound to payments."""

from collections.abc import Iterator
from datetime import datetime

from payment_service import clock
from payment_service.connection import Connection
from payment_service.repositories import notices, retention, watermarks
from payment_service.services.dependencies import Dependencies
from payment_service.services.notices import KEPT

BATCH = 1000
"""Keys that one transaction looks at: few enough not to slow requests."""

PURGE = "purge"


def purgeable(deps: Dependencies) -> int:
    """Return the number of keys with a response that has ended since the last purge."""
    with deps.database.reading() as connection:
        return retention.count_ended(connection, watermarks.value(connection, PURGE), clock.now())


def purge(deps: Dependencies, batch: int = BATCH) -> Iterator[int]:
    """Empty the ended responses batch by batch, yielding how many of each. Safe beside traffic and other purges."""
    moment = clock.now()
    while (purged := deps.database.run("purge", _purge_batch, moment, batch)) is not None:
        yield purged


def _purge_batch(connection: Connection, moment: datetime, batch: int) -> int | None:
    ended = retention.ended_keys(connection, watermarks.value(connection, PURGE), moment, batch)
    if not ended:
        return None
    watermarks.advance(connection, PURGE, ended[-1])
    return retention.purge(connection, ended)


def purge_notices(deps: Dependencies, batch: int = BATCH) -> Iterator[int]:
    """Delete the gateways' notices that are older than KEPT, batch by batch, yielding how many of each."""
    before = clock.now() - KEPT
    while deleted := deps.database.run("purge", notices.purge, before, batch):
        yield deleted
