"""Asking the gateway about a claimed operation, so that asking twice never moves money twice."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog

from payment_service import clock, metrics
from payment_service.domain.operations import Kind
from payment_service.domain.records import Facts, Operation
from payment_service.gateways.base import Answer as GatewayAnswer
from payment_service.gateways.base import (
    Approved,
    Capabilities,
    Declined,
    Finding,
    Gateway,
    Instruction,
    NotFound,
    NotSent,
    Pending,
    Unknown,
)
from payment_service.repositories.idempotency import KeyRow
from payment_service.services.idempotency import Claim
from payment_service.services.runtime import Runtime

log = structlog.get_logger(__name__)

LOOKUP = "lookup"
OUTCOMES = {
    Approved: "approved",
    Declined: "declined",
    Pending: "pending",
    NotFound: "not_found",
    NotSent: "not_sent",
    Unknown: "unknown",
}
"""What the gateway's words are called where they are counted and logged."""


@dataclass(frozen=True)
class NotAgain(Unknown):
    """The gateway knows nothing of it, and a second send could have a second effect: nothing was sent.

    `quiet_since` is when something may have been sent last; `for_good`: waiting will not make a second send safe.
    """

    quiet_since: datetime
    for_good: bool


def ask(runtime: Runtime, claim: Claim) -> Finding:
    """The gateway's word on a claimed operation: looked up first where somebody else may have sent it already.

    It is logged as soon as it is known: what happens to money is told even where writing it down fails.
    """
    finding = _found(runtime, claim)
    operation, decided = operation_of(claim.facts), isinstance(finding, Approved | Declined)
    log.log(
        logging.INFO if decided else logging.WARNING,
        "movement.decided" if decided else "movement.undecided",
        outcome=_outcome(finding),
        kind=operation.kind,
        payment_id=operation.payment_id,
        channel=claim.facts.payment.channel,
        amount=str(operation.amount),
        currency=operation.currency,
        why=finding.code if isinstance(finding, Declined) else getattr(finding, "reason", None),
    )
    return finding


def _found(runtime: Runtime, claim: Claim) -> Finding:
    instruction = instruction_for(claim.facts)
    if instruction.amount == 0 and instruction.kind in (Kind.CHARGE, Kind.AUTHORIZE):
        return Approved(Decimal(0), instruction.currency)  # a free trip: there is nothing to ask for
    if claim.taken_over is not None:
        finding = _timed(LOOKUP, runtime.gateway.lookup, instruction)
        if isinstance(finding, NotSent):  # about the look-up only: the movement itself may have been sent before
            return Unknown(finding.reason)
        if not isinstance(finding, NotFound):
            return finding
        if (reason := _against_sending(runtime.gateway.capabilities, claim.facts, claim.taken_over)) is not None:
            return reason
    if clock.monotonic() > claim.send_before:
        return NotSent("the lease would end before the gateway's answer")
    return _timed(instruction.kind, _verb(runtime.gateway, instruction.kind), instruction)


def _timed(kind: str, ask: Callable[[Instruction], Finding], instruction: Instruction) -> Finding:
    began = clock.monotonic()
    finding = ask(instruction)
    metrics.gateway_called(kind, _outcome(finding), clock.monotonic() - began)
    return finding


def _outcome(finding: Finding) -> str:
    return OUTCOMES.get(type(finding), OUTCOMES[Unknown])


def instruction_for(facts: Facts) -> Instruction:
    """What the gateway is asked, word for word the same at every send."""
    operation = operation_of(facts)
    return Instruction(
        gateway_key=operation.gateway_key,
        kind=operation.kind,
        channel=facts.payment.channel,
        amount=operation.amount,
        currency=operation.currency,
        method=facts.payment.method,
        parent_key=operation.parent_key,
    )


def operation_of(facts: Facts) -> Operation:
    """The operation that a claim's facts are about."""
    if facts.operation is None:
        raise ValueError("a claim is always about an operation")
    return facts.operation


def _verb(gateway: Gateway, kind: Kind) -> Callable[[Instruction], GatewayAnswer]:
    return {
        Kind.CHARGE: gateway.charge,
        Kind.AUTHORIZE: gateway.authorize,
        Kind.CAPTURE: gateway.capture,
        Kind.VOID: gateway.void,
        Kind.REFUND: gateway.refund,
    }[kind]


def _against_sending(able: Capabilities, facts: Facts, before: KeyRow) -> NotAgain | None:
    """Why "not found" does not allow a second send, if it does not.

    A second send is safe while the gateway drops repeats, which it does only as long as it remembers the key, or once
    it can no longer be working on the last one, which may have left at the end of the lease before ours.
    """
    remembered = (clock.now() - operation_of(facts).created_at).total_seconds() < able.key_retention
    if remembered and (able.idempotent_by_key or (able.lookup_consistent and before.quiet_for > able.max_in_flight)):
        return None
    reason = "not found at the gateway, and a second send could have a second effect"
    return NotAgain(reason, before.leased_until, for_good=not (remembered and able.lookup_consistent))
