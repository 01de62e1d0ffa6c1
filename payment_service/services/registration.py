"""Sending by an object of the gateway's own: register it, commit its id, confirm it; cancel an unwanted one.

Each step is committed under the fence before the request that rests on it leaves. An owner that has lost its fence
stops.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, cast

from payment_service import clock, metrics
from payment_service.domain.errors import KeyInUse
from payment_service.domain.operations import CancelReason, Kind
from payment_service.failpoints import failpoint
from payment_service.gateways.base import (
    ActionRequired,
    Approved,
    Contradiction,
    Declined,
    Gateway,
    GatewayRequest,
    GatewayResult,
    NotFound,
    NotSent,
    Pending,
    Refused,
    Registered,
    RegisteringGateway,
    SendResult,
    Spent,
    Unknown,
)
from payment_service.repositories import keys
from payment_service.services.chaining import open_key_hash
from payment_service.services.claim import Claim
from payment_service.services.dependencies import Dependencies

Answer = TypeVar("Answer", bound=GatewayResult | Registered)

REGISTER, CANCEL = "register", "cancel"

REJECTED = "rejected"
"""The name of a result if the gateway rejects this service's credentials."""

CANCELLED = Declined("CANCELLED", "The payment was cancelled before it was made")
"""The result of an operation that is to be cancelled and was never registered."""

OPEN = (NotFound, ActionRequired, Pending, Refused)
"""The results that leave an operation open at the gateway, so that the service can cancel it."""

OUTCOMES = {
    Registered: "registered",
    Approved: "approved",
    Declined: "declined",
    Refused: "refused",
    ActionRequired: "action_required",
    Pending: "pending",
    NotFound: "not_found",
    NotSent: "not_sent",
    Contradiction: "contradiction",
    Unknown: "unknown",
}
"""The names of the gateway's results in metrics and logs."""


def send(deps: Dependencies, claim: Claim, gateway: Gateway, gateway_request: GatewayRequest) -> GatewayResult:
    """Register the operation if it has no id yet, and confirm it. Raises KeyInUse, DatabaseUnavailable."""
    if claim.operation.cancel_asked is not None:
        return settle(deps, claim, gateway, gateway_request, NotFound())
    if gateway_request.reference is None:
        register = cast("RegisteringGateway", gateway).register
        registered = timed(deps, claim.payment.gateway, REGISTER, register, gateway_request)
        if not isinstance(registered, Registered):
            return registered
        failpoint("gateway.registered")
        gateway_request = note_reference(deps, claim, gateway_request, registered.reference)
        failpoint("gateway.noted")
    result = send_once(deps, claim, gateway, gateway_request)
    return settle(deps, claim, gateway, gateway_request, result)


def note_reference(deps: Dependencies, claim: Claim, gateway_request: GatewayRequest, reference: str) -> GatewayRequest:
    """Commit the gateway's id of the operation; return the request with it. Raises KeyInUse, DatabaseUnavailable."""
    operation = replace(claim.operation, gateway_reference=reference)
    row_hash = open_key_hash(deps.journal, claim.claim_digest, operation, claim.purpose)
    _note(deps, keys.note_reference, claim, reference, row_hash)
    return replace(gateway_request, reference=reference)


def settle(
    deps: Dependencies, claim: Claim, gateway: Gateway, gateway_request: GatewayRequest, result: GatewayResult
) -> GatewayResult:
    """Return the final result: first cancel a refused or unwanted operation at the gateway.

    A refusal that the gateway may revise is pending until then. A hold that is to be cancelled is never reported.
    Raises KeyInUse, DatabaseUnavailable.
    """
    asked = claim.operation.cancel_asked
    if isinstance(result, Refused) and asked is None and gateway.capabilities.cancels:
        asked = CancelReason.REFUSED
        _note(deps, keys.note_cancel, claim, asked)
    if asked is None or not (_is_held(gateway_request, result) or isinstance(result, OPEN)):
        return Pending(result.reference) if isinstance(result, Refused) else result
    if gateway_request.reference is None:
        return CANCELLED
    if clock.monotonic() > claim.send_before:  # no time for the cancel's answer: the next owner cancels
        return Pending(gateway_request.reference)
    failpoint("gateway.cancelling")
    cancel = cast("RegisteringGateway", gateway).cancel
    cancelled = timed(deps, claim.payment.gateway, CANCEL, cancel, gateway_request)
    failpoint("gateway.cancelled")
    if isinstance(cancelled, NotSent):  # only the cancel failed: the operation was sent before
        return Unknown.after(cancelled)
    if isinstance(result, Refused) and isinstance(cancelled, Declined):
        return Declined(result.code, result.message, cancelled.reference)
    # The next owner cancels a hold that stands although it is marked.
    return Pending() if _is_held(gateway_request, cancelled) else cancelled


def send_once(deps: Dependencies, claim: Claim, gateway: Gateway, gateway_request: GatewayRequest) -> SendResult:
    """Send; if the gateway has spent the key on a failure of its own, the next owner uses the next one.

    A charge, a capture or a void can move its money only once. Raises KeyInUse, DatabaseUnavailable.
    """
    result = timed(deps, claim.payment.gateway, gateway_request.kind, gateway.send, gateway_request)
    if isinstance(result, Spent) and gateway_request.kind is not Kind.REFUND:
        _note(deps, keys.note_resend, claim, gateway_request.resend + 1)
    return result


def give_up(deps: Dependencies, claim: Claim, gateway: Gateway, gateway_request: GatewayRequest) -> GatewayResult:
    """Cancel a registered operation that no owner has confirmed. Raises KeyInUse, DatabaseUnavailable."""
    reason = CancelReason.EXPIRED
    _note(deps, keys.note_cancel, claim, reason)
    marked = replace(claim, operation=replace(claim.operation, cancel_asked=reason))
    return settle(deps, marked, gateway, gateway_request, NotFound())


def _is_held(gateway_request: GatewayRequest, result: GatewayResult) -> bool:
    return gateway_request.kind is Kind.AUTHORIZE and isinstance(result, Approved)


def timed(
    deps: Dependencies,
    name: str | None,
    what: str,
    ask: Callable[[GatewayRequest], Answer],
    gateway_request: GatewayRequest,
) -> Answer:
    """Ask the gateway, and count it as `what` for the gateway that `name` resolves to."""
    began = clock.monotonic()
    answer = ask(gateway_request)
    metrics.gateway_called(deps.gateways.resolved(name), what, outcome_of(answer), clock.monotonic() - began)
    return answer


def outcome_of(result: GatewayResult | Registered) -> str:
    """Return the name of a result in metrics and logs."""
    if isinstance(result, NotSent | Unknown) and result.rejects_us:
        return REJECTED
    return OUTCOMES.get(type(result), OUTCOMES[Unknown])


def _note(deps: Dependencies, step: Callable[..., bool], claim: Claim, *values: object) -> None:
    """Commit a step of the operation's progress under the fence. Raises KeyInUse if another owner has a newer one."""
    if not deps.database.run("note", step, claim.key_id, claim.key_hash, claim.fence, *values):
        raise KeyInUse
