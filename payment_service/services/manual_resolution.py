"""Manual resolution: a person looks an operation up at the gateway by hand, and decides it here.

The service writes it as it would write the gateway's result, under the key's lock and a new fence, with audit row,
event and answer; `verify` still compares it with the gateway's ledger.
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
from payment_service.gateways.base import Approved, Declined, GatewayResult
from payment_service.repositories import key_lookups, payments
from payment_service.services.claim import Claim, payment_of, take_over
from payment_service.services.complete import complete
from payment_service.services.dependencies import Dependencies
from payment_service.services.gateway_calls import gateway_request_for
from payment_service.services.registration import give_up

log = structlog.get_logger(__name__)

MAX_IN_FLIGHT = 300.0
"""Seconds for which a request to a gateway that is not configured any more may still be on its way."""

CODE, MESSAGE = "DECIDED_BY_A_PERSON", "Declined after review"
"""The error for the caller of a payment declined by hand; the reason stays with the operators."""


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

    Keeps `why` and `actor` beside it. Returns the key's answer from now on. Raises NotOpen; TooEarly while the lease
    lasts and, for a decline, as long after that as the gateway may still act on a request, or if the gateway does not
    cancel; KeyInUse if another owner takes the key over meanwhile.
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
    if approved:
        return complete(deps, claim, Approved(operation.amount, operation.currency))
    stands = _cancelled_at_the_gateway(deps, claim)
    if not isinstance(stands, Declined):
        complete(deps, claim, stands)
        raise TooEarly("The gateway has not cancelled this operation: it stands as the gateway says")
    return complete(deps, claim, Declined(CODE, MESSAGE))


def _cancelled_at_the_gateway(deps: Dependencies, claim: Claim) -> GatewayResult:
    """Cancel at a gateway that can, and return Declined once the gateway can approve nothing any more."""
    gateway = deps.gateways.named(claim.payment.gateway)
    if gateway is None or not gateway.capabilities.cancels or claim.operation.gateway_reference is None:
        return Declined(CODE, MESSAGE)
    return give_up(deps, claim, gateway, gateway_request_for(claim.payment, claim.operation, claim.fence))


def _take_over(
    connection: Connection, deps: Dependencies, operation_id: UUID, approved: bool, actor: str, why: str
) -> Claim:
    since, key = clock.monotonic(), key_lookups.lock_of_operation(connection, operation_id)
    if key is None:
        raise NotOpen
    payment = payments.lock(connection, payment_of(key))
    gateway = deps.gateways.named(payment.gateway)
    check_is_quiet(key, 0.0 if approved else gateway.capabilities.max_in_flight if gateway else MAX_IN_FLIGHT)
    claim = take_over(connection, deps, key, payment, clock.new_hex(32), since)
    return replace(claim, origin=ChangeSource(actor), note=f"{actor}: {why}")


def check_is_quiet(key: IdempotencyKey, seconds: float) -> None:
    """Raise TooEarly unless the lease ended so many seconds ago: a request of that owner may still be on its way."""
    remaining = math.ceil(seconds - key.quiet_for)
    if key.leased or remaining > 0:
        after = max(1, remaining)
        raise TooEarly(f"{TooEarly.__doc__}: try again in {after} seconds", retry=Retry(safe=True, after=after))
