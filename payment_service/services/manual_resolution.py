"""A person's word on an operation that the gateway's cannot end: what became of it, looked up at the gateway by hand.

It is written as the gateway's own would be, under the key's lock and a new fence, with audit row, event and answer;
`verify` goes on comparing it with the gateway's ledger.
"""

import math
from dataclasses import replace
from uuid import UUID

import structlog

from payment_service import clock
from payment_service.connection import Connection
from payment_service.domain.errors import DO_NOT_RETRY, Retry, ServiceError
from payment_service.domain.principals import ChangeSource
from payment_service.domain.records import IdempotencyKey, StoredResponse
from payment_service.gateways.base import Approved, Declined
from payment_service.repositories import keys, payments
from payment_service.services.claim import Claim, payment_of, take_over
from payment_service.services.complete import complete
from payment_service.services.dependencies import Dependencies

log = structlog.get_logger(__name__)

CODE, MESSAGE = "DECIDED_BY_A_PERSON", "Declined after review"
"""What a caller is told of a payment that was declined by hand; why is nobody's business but ours."""


class NotOpen(ServiceError):
    """This operation is decided already, or there is none of this id"""

    status = 409
    code = "operation_not_open"
    retry = DO_NOT_RETRY


class TooEarly(ServiceError):
    """Somebody may be at work on this operation, or a request of it on its way to the gateway"""

    status = 409
    code = "too_early_to_decide"


def decide(deps: Dependencies, operation_id: UUID, *, approved: bool, why: str, actor: str) -> StoredResponse:
    """End an undecided operation as approved, with the amount that was asked for, or as declined.

    `why` and `actor` are kept beside it. Returns the answer that its key has from now on. Raises NotOpen; TooEarly
    while its lease lasts and, to be declined, as long after that as the gateway may still act on a request; KeyInUse
    where somebody takes it over meanwhile.
    """
    claim = deps.database.run("recover", _take_over, deps, operation_id, approved, actor, why)
    operation = claim.operation
    log.warning(
        "movement.decided_by_a_person",
        approved=approved,
        actor=actor,
        why=why,
        operation_id=str(operation_id),
        payment_id=operation.payment_id,
        amount=str(operation.amount),
        currency=operation.currency,
    )
    result = Approved(operation.amount, operation.currency) if approved else Declined(CODE, MESSAGE)
    return complete(deps, claim, result)


def _take_over(
    connection: Connection, deps: Dependencies, operation_id: UUID, approved: bool, actor: str, why: str
) -> Claim:
    since, key = clock.monotonic(), keys.lock_of_operation(connection, operation_id)
    if key is None:
        raise NotOpen
    _check_is_quiet(key, 0.0 if approved else deps.gateway.capabilities.max_in_flight)
    claim = take_over(connection, deps, key, payments.lock(connection, payment_of(key)), clock.new_hex(32), since)
    return replace(claim, origin=ChangeSource(actor), note=f"{actor}: {why}")


def _check_is_quiet(key: IdempotencyKey, seconds: float) -> None:
    """Raise TooEarly unless the lease ended so many seconds ago: what was sent under it may still be on its way."""
    remaining = math.ceil(seconds - key.quiet_for)
    if key.leased or remaining > 0:
        after = max(1, remaining)
        raise TooEarly(f"{TooEarly.__doc__}: try again in {after} seconds", retry=Retry(safe=True, after=after))
