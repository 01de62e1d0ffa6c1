"""Ending a lease before its time, for an owner that gives up."""

from functools import partial

import structlog

from payment_service import clock
from payment_service.connection import Connection, TransactionLost
from payment_service.domain.operations import OperationStatus
from payment_service.repositories import key_lookups, keys
from payment_service.services.claim import Claim
from payment_service.services.dependencies import Dependencies

log = structlog.get_logger(__name__)


def end_lease_later(deps: Dependencies, key_hash: str, owner: str) -> None:
    """End the lease of a claim that may have been committed, as soon as the database shows it."""
    end = partial(deps.database.run, "release", keys.end_lease, key_hash, owner)
    deps.deferred.add(clock.monotonic() + deps.limits.lease, "release", end)


def give_up_later(deps: Dependencies, claim: Claim) -> None:
    """End the lease of an owner that sends nothing more, as soon as the database takes it."""
    end = partial(deps.database.run, "release", _give_up, claim)
    deps.deferred.add(clock.monotonic() + deps.limits.lease, "release", end)


def _give_up(connection: Connection, claim: Claim) -> None:
    if keys.end_lease(connection, claim.key_hash, claim.owner):
        return
    key = key_lookups.lock_by_id(connection, claim.key_id)
    if key is None:  # invisible, see `keys.lock_claim`
        raise TransactionLost from LookupError("no session sees the claim")
    if key.owner != claim.owner or claim.is_repeatable:
        return
    if key.operation_status is OperationStatus.SUCCEEDED:
        # The COMMIT that we gave up has succeeded. The caller got "unknown" and never asks again.
        log.error("movement.charged_and_not_told", payment_id=claim.payment.payment_id)
