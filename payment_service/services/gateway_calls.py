"""Calling the gateway for a claimed operation, so that calling twice never moves money twice."""

import logging
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog

from payment_service import clock, metrics
from payment_service.domain.operations import Kind
from payment_service.domain.records import IdempotencyKey, Operation, Payment
from payment_service.gateways.base import (
    Approved,
    Capabilities,
    Declined,
    Gateway,
    GatewayRequest,
    GatewayResult,
    NotFound,
    NotSent,
    Pending,
    Unknown,
)
from payment_service.services.claim import Claim
from payment_service.services.dependencies import Dependencies

log = structlog.get_logger(__name__)

LOOKUP = "lookup"
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between two look-ups while a caller waits."""

NOT_CHARGED = Declined("GATEWAY_UNAVAILABLE", "The payment gateway did not process the payment")
"""What becomes of a charge that never reached the gateway, and never will."""

OUTCOMES = {
    Approved: "approved",
    Declined: "declined",
    Pending: "pending",
    NotFound: "not_found",
    NotSent: "not_sent",
    Unknown: "unknown",
}
"""What the gateway's results are called where they are counted and logged."""


@dataclass(frozen=True)
class NotAgain(Unknown):
    """The gateway knows nothing of it, and a second send could have a second effect: nothing was sent.

    `quiet_since` is when something may have been sent last; `for_good`: waiting will not make a second send safe.
    """

    quiet_since: datetime
    for_good: bool


def call_gateway(deps: Dependencies, claim: Claim) -> GatewayResult:
    """The gateway's result for a claimed operation. After a takeover, the operation is looked up first.

    The result is logged as soon as it is known, even where writing it down fails.
    """
    result = _result(deps.gateway, claim)
    operation, is_decided = claim.operation, isinstance(result, Approved | Declined)
    log.log(
        logging.INFO if is_decided else logging.WARNING,
        "movement.decided" if is_decided else "movement.undecided",
        outcome=_outcome(result),
        kind=operation.kind,
        payment_id=operation.payment_id,
        channel=claim.payment.channel,
        amount=str(operation.amount),
        currency=operation.currency,
        why=result.code if isinstance(result, Declined) else getattr(result, "reason", None),
    )
    return result


def _result(gateway: Gateway, claim: Claim) -> GatewayResult:
    gateway_request = gateway_request_for(claim.payment, claim.operation)
    if gateway_request.amount == 0 and gateway_request.kind in (Kind.CHARGE, Kind.AUTHORIZE):
        return Approved(Decimal(0), gateway_request.currency)  # a free trip: there is nothing to ask for
    if claim.taken_over is not None and claim.taken_over.attempts:  # somebody may have sent it before
        found = _look_up(gateway, gateway_request)
        if isinstance(found, NotSent):  # about the look-up only: the operation itself may have been sent before
            return Unknown(found.reason)
        if not isinstance(found, NotFound):
            return found
        if (reason := _against_sending(gateway.capabilities, claim.operation, claim.taken_over)) is not None:
            return reason
    if clock.monotonic() > claim.send_before:
        return NotSent("the lease would end before the gateway's answer")
    began = clock.monotonic()
    result = gateway.send(gateway_request)
    metrics.gateway_called(gateway_request.kind, _outcome(result), clock.monotonic() - began)
    return result


def _look_up(gateway: Gateway, gateway_request: GatewayRequest) -> GatewayResult:
    began = clock.monotonic()
    found = gateway.lookup(gateway_request)
    metrics.gateway_called(LOOKUP, _outcome(found), clock.monotonic() - began)
    return found


def await_decision(deps: Dependencies, claim: Claim, result: GatewayResult) -> GatewayResult:
    """Look an undecided operation up as long as its caller waits: the caller never asks again.

    At most half of a process's threads wait so. A request that never reached the gateway is over at once.
    """
    if isinstance(result, NotSent):
        return NOT_CHARGED
    began, pause = claim.send_before - deps.limits.time_to_send, FIRST_PAUSE
    deadline = min(clock.monotonic() + deps.limits.keyless_answer, began + deps.limits.answer_within)
    if not deps.waiting.acquire(blocking=False):
        return result
    try:
        while not isinstance(result, Approved | Declined) and clock.monotonic() + pause < deadline:
            clock.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            found = _look_up(deps.gateway, gateway_request_for(claim.payment, claim.operation))
            result = found if isinstance(found, Approved | Declined) else result
        return result
    finally:
        deps.waiting.release()


def _outcome(result: GatewayResult) -> str:
    return OUTCOMES.get(type(result), OUTCOMES[Unknown])


def gateway_request_for(payment: Payment, operation: Operation) -> GatewayRequest:
    """What the gateway is asked, word for word the same at every send."""
    return GatewayRequest(
        gateway_key=operation.gateway_key,
        kind=operation.kind,
        channel=payment.channel,
        amount=operation.amount,
        currency=operation.currency,
        method=payment.method,
        parent_key=operation.parent_key,
    )


def _against_sending(able: Capabilities, operation: Operation, before: IdempotencyKey) -> NotAgain | None:
    """Why "not found" does not allow a second send, if it does not.

    A second send is safe only while the gateway drops repeats: as long as it remembers the key. No silence makes it
    safe otherwise, for an earlier sender may have fallen asleep before it sends. The gateway may still find what left
    at the end of the lease before ours; after that a person must look. A charge whose caller was told that it failed
    is no exception: to give it up would leave the earlier sender's charge with the money. It is sent and reversed.
    """
    is_over = able.lookup_consistent and before.quiet_for > able.max_in_flight
    is_remembered = (clock.now() - operation.created_at).total_seconds() < able.key_retention
    if is_remembered and able.idempotent_by_key:
        return None
    reason = "not found at the gateway, and a second send could have a second effect"
    return NotAgain(reason, before.leased_until, for_good=is_over or not able.lookup_consistent)
