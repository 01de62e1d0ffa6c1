"""Payments that their callers made and did not charge: the worker cancels each once its time is over."""

import structlog

from payment_service import clock
from payment_service.connection import Connection
from payment_service.domain.errors import DatabaseUnavailable
from payment_service.domain.lifecycle import awaits_caller
from payment_service.domain.principals import EXPIRY
from payment_service.repositories import payments, timers
from payment_service.services import transitions
from payment_service.services.dependencies import Dependencies
from payment_service.services.persistence import save_changed

log = structlog.get_logger(__name__)

BATCH = 100
DELAY = 3600.0
"""Seconds until the worker tries again to cancel a payment that it could not cancel."""


def expire(deps: Dependencies, limit: int = BATCH) -> int:
    """Cancel overdue payments, at most `limit`. Return how many it looked at. Raises DatabaseUnavailable."""
    with deps.database.reading() as connection:
        due = timers.due(connection, "pending", limit)
    for payment_id in due:
        try:
            deps.database.run("expire", _expire, deps, payment_id)
        except DatabaseUnavailable:
            raise
        except Exception:  # one payment that cannot be cancelled must not stop the others
            log.exception("payment.not_expired", payment_id=payment_id)
            deps.database.run("expire", timers.postpone, "pending", payment_id, DELAY)
    return len(due)


def _expire(connection: Connection, deps: Dependencies, payment_id: int) -> None:
    """Cancel one payment, unless its caller has charged, cancelled or failed it: the lock decides who was first."""
    payment = payments.lock(connection, payment_id)
    timers.end(connection, "pending", payment_id)
    if not awaits_caller(payment.status):
        return
    transition = transitions.pending_expired(payment, clock.now())
    save_changed(connection, deps, payment, payment.journal_hash, transition, EXPIRY)
    log.info("payment.expired", payment_id=payment_id, channel=payment.channel)
