"""Holds that should have ended: the worker asks the gateway about each, and only its answer ends one."""

import structlog

from payment_service.connection import Connection
from payment_service.domain.errors import DatabaseUnavailable
from payment_service.domain.lifecycle import Move, allows
from payment_service.repositories import payments, timers
from payment_service.services.dependencies import Dependencies
from payment_service.services.later import look_again
from payment_service.services.seen import Seen

log = structlog.get_logger(__name__)

BATCH = 100
SHORTEST_DELAY, LONGEST_DELAY = 60.0, 3600.0
"""Seconds until the worker asks about a standing hold again: a minute if the last look failed, an hour otherwise."""


def look_after(deps: Dependencies, limit: int = BATCH) -> int:
    """Ask about every hold that should have ended. Return how many it looked at. Raises DatabaseUnavailable."""
    with deps.database.reading() as connection:
        due = timers.due(connection, "hold", limit)
    for payment_id in due:
        try:
            seen = _look_at(deps, payment_id)
        except DatabaseUnavailable:
            raise
        except Exception:  # one hold that cannot be looked at must not stop the others
            log.exception("hold.not_looked_at", payment_id=payment_id)
            seen = Seen.UNDECIDED
        if seen not in (None, Seen.REVISED):
            delay = SHORTEST_DELAY if seen is Seen.UNDECIDED else LONGEST_DELAY
            deps.database.run("hold", timers.postpone, "hold", payment_id, delay)
    return len(due)


def _look_at(deps: Dependencies, payment_id: int) -> Seen | None:
    """Ask the gateway about a hold. Return None if there is none any more."""
    with deps.database.reading() as connection:
        payment = payments.find(connection, payment_id)
    if payment is None or payment.charge_key is None or not deps.database.run("hold", _still_held, payment_id):
        return None
    return look_again(deps, deps.gateways.resolved(payment.gateway), gateway_key=payment.charge_key)


def _still_held(connection: Connection, payment_id: int) -> bool:
    """Return whether a hold exists, or a capture or void may give it back. Otherwise end its timer."""
    payment = payments.lock(connection, payment_id)
    if any(allows(payment.status, move) for move in (Move.HOLD_EXPIRED, Move.CAPTURE_DECLINED)):
        return True
    timers.end(connection, "hold", payment_id)
    return False
