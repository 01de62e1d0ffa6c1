"""Finishing what a crash, a time-out or a slow gateway left: by evidence only, never by a timer alone."""

from collections import Counter
from collections.abc import Mapping

import structlog
from sqlalchemy.exc import NoResultFound

from payment_service import clock, metrics
from payment_service.connection import Connection
from payment_service.domain.errors import KeyInUse, Unavailable
from payment_service.repositories import key_lookups, keys, payments, watermarks
from payment_service.repositories import recovery as candidates
from payment_service.services.claim import Claim, payment_of, take_over
from payment_service.services.dependencies import Dependencies
from payment_service.services.engine import execute_claim
from payment_service.services.undecided import LONGEST_DELAY

log = structlog.get_logger(__name__)

BATCH = 100
"""The most keys that one call carries through: between calls the worker looks at its stop signal."""


def recover(deps: Dependencies, limit: int = BATCH) -> Mapping[str, int]:
    """Take over abandoned keys, one by one, and carry each through as a repeat of its request would.

    Returns how many were `finished`, are still `undecided` at the gateway, went `elsewhere` meanwhile, or `failed`.
    """
    outcomes: Counter[str] = Counter()
    with deps.database.reading() as connection:
        key_ids = candidates.candidates(connection, BATCH)
    for key_id in key_ids:
        if outcomes.total() == limit:
            break
        if (outcome := _recover_one(deps, key_id)) is not None:
            outcomes[outcome] += 1
    advance_watermark(deps)
    return outcomes


def _recover_one(deps: Dependencies, key_id: int) -> str | None:
    """Recover one key. Return the outcome, None if the key is finished or another owner works on it."""
    try:
        claim = deps.database.run("recover", _take_over, deps, key_id, clock.new_hex(32))
    except (LookupError, TypeError, ValueError):
        # This release cannot read the key's rows, for example the words of a newer one: the other keys must not wait.
        log.exception("recovery.unreadable", key_id=key_id)
        deps.database.run("recover", keys.set_timer, key_id, 1, LONGEST_DELAY)
        return "failed"
    return None if claim is None else _carry_through(deps, claim)


def _take_over(connection: Connection, deps: Dependencies, key_id: int, owner: str) -> Claim | None:
    since, key = clock.monotonic(), key_lookups.lock_by_id(connection, key_id)
    if key is None or (key.leased and key.owner != owner):  # `owner` is ours if the COMMIT's answer was lost
        return None
    if key.response_status is not None:
        keys.delete_timer(connection, key_id)
        return None
    try:
        payment = payments.lock_for_recovery(connection, payment_of(key))
    except NoResultFound:
        return None
    claim = take_over(connection, deps, key, payment, owner, since)
    metrics.key_used("taken_over")
    return claim


def _carry_through(deps: Dependencies, claim: Claim) -> str:
    try:
        answer = execute_claim(deps, claim)
    except KeyInUse:
        return "elsewhere"
    except Unavailable:
        return "undecided"
    except Exception:
        # One failing key must not stop the others; its lease holds it back until the next try.
        log.exception("recovery.failed", payment_id=claim.payment.payment_id)
        return "failed"
    return "undecided" if answer.status == 202 else "finished"


def advance_watermark(deps: Dependencies) -> None:
    """Let the next look for abandoned keys begin behind those that are finished or have a timer."""
    with deps.database.reading() as connection:
        watermark = candidates.next_watermark(connection)
    if watermark is not None:
        deps.database.run("recover", watermarks.advance, candidates.RECOVERY, watermark)
