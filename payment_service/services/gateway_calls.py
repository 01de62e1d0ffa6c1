"""Calling the gateway for a claimed operation, so that calling twice never moves money twice."""

import logging
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog

from payment_service import clock
from payment_service.domain.operations import Kind, Purpose
from payment_service.domain.records import Operation, Payment
from payment_service.gateways.base import (
    Approved,
    Capabilities,
    Declined,
    Gateway,
    GatewayRequest,
    GatewayResult,
    NotFound,
    NotSent,
    Refused,
    Unknown,
)
from payment_service.repositories import keys, restores
from payment_service.services import registration
from payment_service.services.claim import Claim
from payment_service.services.dependencies import Dependencies
from payment_service.services.registration import outcome_of

log = structlog.get_logger(__name__)

LOOKUP = "lookup"
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between two look-ups while a caller waits."""

NOT_CHARGED = Declined("GATEWAY_UNAVAILABLE", "The payment gateway did not process the payment")
"""The result for a charge that never reached the gateway, and never will."""


@dataclass(frozen=True)
class NotAgain(Unknown):
    """The gateway knows nothing of it, and a second send could have a second effect: the owner sent nothing.

    `quiet_since` is when an owner may have sent something last; `for_good`: waiting will not make a second send safe.
    """

    quiet_since: datetime
    for_good: bool


def call_gateway(deps: Dependencies, claim: Claim) -> GatewayResult:
    """Call the gateway for a claimed operation. After a takeover, look the operation up first.

    Logs the result before anything is written down. Raises KeyInUse or DatabaseUnavailable if the operation's progress
    could not be committed: nothing was sent after that.
    """
    result = _result(deps, claim)
    operation, is_decided = claim.operation, isinstance(result, Approved | Declined)
    log.log(
        logging.INFO if is_decided else logging.WARNING,
        "movement.decided" if is_decided else "movement.undecided",
        outcome=outcome_of(result),
        kind=operation.kind,
        payment_id=operation.payment_id,
        channel=claim.payment.channel,
        amount=str(operation.amount),
        currency=operation.currency,
        why=result.code if isinstance(result, Declined | Refused) else getattr(result, "reason", None),
    )
    return result


def _result(deps: Dependencies, claim: Claim) -> GatewayResult:
    gateway = deps.gateways.named(claim.payment.gateway)
    if gateway is None:
        return NotSent(f"the payment's gateway {claim.payment.gateway} is not configured")
    gateway_request = gateway_request_for(claim.payment, claim.operation, claim.fence)
    if gateway_request.amount == 0 and gateway_request.kind in (Kind.CHARGE, Kind.AUTHORIZE):
        return Approved(Decimal(0), gateway_request.currency)  # a free trip needs no gateway
    if (found := _earlier(deps, claim, gateway, gateway_request)) is not None:
        return found
    if clock.monotonic() > claim.send_before:
        return NotSent("the lease would end before the gateway's answer")
    if gateway_request.kind in gateway.capabilities.registers:
        return registration.send(deps, claim, gateway, gateway_request)
    return registration.send_once(deps, claim, gateway, gateway_request)


def _earlier(
    deps: Dependencies, claim: Claim, gateway: Gateway, gateway_request: GatewayRequest
) -> GatewayResult | None:
    """Look up an earlier owner's request, or what a restore lost. Return its result, or NotAgain, or None: send it."""
    is_registered = gateway_request.kind in gateway.capabilities.registers
    lost = claim.lost if claim.taken_over is None else _lost(deps, claim)
    if lost is None and (claim.taken_over is None or not claim.taken_over.attempts):
        return None
    is_told_false = claim.purpose is Purpose.TOLD_FALSE
    if is_registered and not gateway_request.reference:
        if lost is None:
            # No owner has sent it: each commits the id of a registered object before it sends.
            return NOT_CHARGED if is_told_false else None
        if lost:
            gateway_request = registration.note_reference(deps, claim, gateway_request, lost)
    found = look_up(deps, claim.payment.gateway, gateway, gateway_request)
    if isinstance(found, NotSent):  # only the look-up failed: the operation itself may have been sent before
        return Unknown.after(found)
    if not isinstance(found, NotFound):
        return registration.settle(deps, claim, gateway, gateway_request, found)
    if is_registered and is_told_false:  # the caller saw a failure, and nothing has happened yet
        return registration.give_up(deps, claim, gateway, gateway_request)
    # The gateway confirms a registered object only once, however often it is asked.
    return None if is_registered and lost is None else _against_sending(gateway.capabilities, claim, lost)


def _lost(deps: Dependencies, claim: Claim) -> str | None:
    """Read the reference of a lost movement for an owner that took the key over, or None: see `Claim.lost`."""
    with deps.database.reading() as connection:
        return restores.lost_reference(connection, claim.operation.gateway_key)


def look_up(deps: Dependencies, name: str | None, gateway: Gateway, gateway_request: GatewayRequest) -> GatewayResult:
    """Ask the gateway of this name what became of an operation, and count the look-up."""
    return registration.timed(deps, name, LOOKUP, gateway.lookup, gateway_request)


def await_decision(deps: Dependencies, claim: Claim, result: GatewayResult) -> GatewayResult:
    """Look an undecided operation up as long as its caller waits: the caller never asks again.

    At most half of a process's threads wait so. A request that never reached the gateway ends at once.
    """
    gateway = deps.gateways.named(claim.payment.gateway)
    if isinstance(result, NotSent) or gateway is None:
        return NOT_CHARGED
    began, pause = claim.send_before - deps.limits.time_to_send, FIRST_PAUSE
    deadline = min(clock.monotonic() + deps.limits.keyless_answer, began + deps.limits.answer_within)
    if not deps.waiting.acquire(blocking=False):
        return result
    try:
        gateway_request = gateway_request_for(claim.payment, _as_committed(deps, claim))
        while not isinstance(result, Approved | Declined) and clock.monotonic() + pause < deadline:
            clock.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            found = look_up(deps, claim.payment.gateway, gateway, gateway_request)
            result = found if isinstance(found, Approved | Declined) else result
        return result
    finally:
        deps.waiting.release()


def _as_committed(deps: Dependencies, claim: Claim) -> Operation:
    """Return the operation with the gateway's id, which the send has committed."""
    payment = claim.payment
    scope = {"channel": payment.channel, "subject": payment.subject, "key_hash": claim.key_hash}
    with deps.database.reading() as connection:
        key = keys.find(connection, scope)
    return (key and key.operation) or claim.operation


def gateway_request_for(payment: Payment, operation: Operation, attempt: int = 1) -> GatewayRequest:
    """Return the gateway request, word for word the same at every send; `attempt` is the fence of the sender."""
    belongs_to_charge = operation.kind not in (Kind.CHARGE, Kind.AUTHORIZE)
    return GatewayRequest(
        gateway_key=operation.gateway_key,
        kind=operation.kind,
        channel=payment.channel,
        amount=operation.amount,
        currency=operation.currency,
        method=payment.method,
        parent_key=operation.parent_key,
        reference=operation.gateway_reference,
        parent_reference=payment.charge_reference if belongs_to_charge else None,
        payment=str(payment.public_id),
        terms=operation.terms,
        attempt=attempt,
        resend=operation.resend,
    )


def _against_sending(able: Capabilities, claim: Claim, lost: str | None) -> NotAgain | None:
    """Return the reason against a second send after "not found", or None.

    A second send is safe only while the gateway drops repeats: as long as it remembers the key. Silence alone makes it
    safe at no time, because an earlier sender may sleep before it sends. A request that left at the end of the lease
    before ours may still appear at the gateway; after that a person must look. A charge that its caller saw fail is no
    exception: giving it up would leave the money with the earlier sender's charge. It is sent, then reversed.
    """
    before = claim.taken_over
    if lost is not None or before is None:
        return NotAgain("the gateway lists it and does not find it", clock.now(), for_good=True)
    is_over = able.lookup_consistent and before.quiet_for > able.max_in_flight
    is_remembered = (clock.now() - claim.operation.created_at).total_seconds() < able.key_retention
    if is_remembered and able.idempotent_by_key:
        return None
    reason = "not found at the gateway, and a second send could have a second effect"
    return NotAgain(reason, before.leased_until, for_good=is_over or not able.lookup_consistent)
