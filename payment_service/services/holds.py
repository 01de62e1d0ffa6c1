"""Holds that should have ended: the gateway is asked about each, and only its word ends one."""

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
"""Seconds until the gateway is asked again about a hold that still stands: first a minute, in vain an hour."""


def look_after(deps: Dependencies, limit: int = BATCH) -> int:
    """Ask about every hold that should have ended; how many were looked at. Raises DatabaseUnavailable."""
    with deps.database.reading() as connection:
        due = timers.due(connection, "hold", limit)
    for payment_id in due:
        try:
            seen = _look_at(deps, payment_id)
        except DatabaseUnavailable:
            raise
        except Exception:  # one hold that cannot be looked at keeps no other waiting
            log.exception("hold.not_looked_at", payment_id=payment_id)
            seen = Seen.UNDECIDED
        if seen not in (None, Seen.REVISED):
            delay = SHORTEST_DELAY if seen is Seen.UNDECIDED else LONGEST_DELAY
            deps.database.run("hold", timers.postpone, "hold", payment_id, delay)
    return len(due)


def _look_at(deps: Dependencies, payment_id: int) -> Seen | None:
    """What the gateway says of a hold, None where there is none any more."""
    with deps.database.reading() as connection:
        payment = payments.find(connection, payment_id)
    if payment is None or payment.charge_key is None or not deps.database.run("hold", _still_held, payment_id):
        return None
    return look_again(deps, deps.gateways.resolved(payment.gateway), gateway_key=payment.charge_key)


def _still_held(connection: Connection, payment_id: int) -> bool:
    """Whether there is a hold, or one that a capture or void under way may give back; its timer ends where not."""
    payment = payments.lock(connection, payment_id)
    if any(allows(payment.status, move) for move in (Move.HOLD_EXPIRED, Move.CAPTURE_DECLINED)):
        return True
    timers.end(connection, "hold", payment_id)
    return False
