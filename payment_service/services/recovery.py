"""Finishing what a crash, a time-out or a patient gateway left: by evidence only, never by a timer."""

from collections import Counter
from collections.abc import Mapping
from enum import Enum

import structlog

from payment_service import clock, metrics
from payment_service.domain.errors import KeyInUse, Unavailable
from payment_service.repositories import idempotency as keys
from payment_service.services import idempotency
from payment_service.services.idempotency import Claim
from payment_service.services.movements import LONGEST_DELAY, carry_through
from payment_service.services.runtime import Runtime

log = structlog.get_logger(__name__)

BATCH = 100
"""Keys that one call carries through at the most: a loop gets to look at its stop signal in between."""


class Unreadable(Enum):
    """What belongs to a key says nothing to this release, a newer one's words among it: no other key waits for it."""

    UNREADABLE = "unreadable"


def recover(runtime: Runtime, limit: int = BATCH) -> Mapping[str, int]:
    """Take over abandoned keys, one by one, and carry each through as a repeat of its request would.

    Returns how many were `finished`, are still `undecided` at the gateway, went `elsewhere` meanwhile, or `failed`.
    """
    outcomes: Counter[str] = Counter()
    while outcomes.total() < limit and (claim := runtime.database.retrying(lambda: _take_over_next(runtime))):
        outcomes[_carry_through(runtime, claim)] += 1
    return outcomes


def _take_over_next(runtime: Runtime) -> Claim | Unreadable | None:
    since = clock.monotonic()
    with runtime.database.atomic("recover") as connection:
        key_id = keys.lock_due(connection)
        if key_id is None:
            return None
        try:
            key, facts = keys.lock_with_facts(connection, key_id)
        except (LookupError, TypeError, ValueError):
            log.exception("recovery.unreadable", key_id=key_id)
            keys.release(connection, key_id, LONGEST_DELAY)
            return Unreadable.UNREADABLE
        fence = keys.take_over(connection, key_id, clock.new_hex(32), runtime.limits.lease)
        metrics.key_was_taken_over()
        return idempotency.claim(runtime, key_id, key.rendering, fence, facts, since, taken_over=key)


def _carry_through(runtime: Runtime, claim: Claim | Unreadable) -> str:
    if isinstance(claim, Unreadable):
        return "failed"
    try:
        answer = carry_through(runtime, claim)
    except KeyInUse:
        return "elsewhere"
    except Unavailable:
        return "undecided"
    except Exception:
        # One key that cannot be finished keeps no other waiting; its lease holds it back until the next try.
        log.exception("recovery.failed", payment_id=claim.facts.payment.payment_id)
        return "failed"
    return "undecided" if answer.status == 202 else "finished"
