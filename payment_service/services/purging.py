"""Ending cached answers: after `IDEMPOTENCY_KEY_TTL` their rows go; the binding of a key to what it made stays."""

from collections.abc import Iterator
from datetime import datetime

from payment_service import clock
from payment_service.repositories import idempotency as keys
from payment_service.services.runtime import Runtime

BATCH = 1000
"""Rows deleted in one transaction: few enough that no request notices."""


def purgeable(runtime: Runtime) -> int:
    """How many cached answers have ended."""
    with runtime.database.reading() as connection:
        return keys.count_purgeable(connection, clock.now())


def purge(runtime: Runtime, batch: int = BATCH) -> Iterator[int]:
    """Delete the ended answers batch by batch, yielding the size of each. Safe beside traffic and other purges."""
    moment = clock.now()
    while deleted := runtime.database.retrying(lambda: _purge_batch(runtime, moment, batch)):
        yield deleted


def _purge_batch(runtime: Runtime, moment: datetime, batch: int) -> int:
    with runtime.database.atomic("purge") as connection:
        return keys.purge(connection, moment, batch)
