"""The one way money moves: acquire → call_gateway → complete, for every command of every channel.

`acquire` commits the claim before the first byte leaves. No transaction is open during the gateway call. `complete`
writes only under the current fence, so an owner that comes back late changes nothing.
"""

from dataclasses import replace

import structlog

from payment_service.connection import TransactionLost
from payment_service.domain.errors import DatabaseUnavailable, KeyInUse, OutcomeUnknown, ServiceError
from payment_service.domain.operations import Purpose
from payment_service.domain.records import StoredResponse
from payment_service.failpoints import failpoint
from payment_service.gateways.base import Approved, Declined
from payment_service.services.acquire import acquire
from payment_service.services.claim import Claim
from payment_service.services.commands import Command, Request
from payment_service.services.complete import complete, finished_meanwhile, reread
from payment_service.services.dependencies import Dependencies
from payment_service.services.gateway_calls import await_decision, call_gateway
from payment_service.services.lease_ends import give_up_later

log = structlog.get_logger(__name__)


def execute(deps: Dependencies, request: Request, command: Command) -> StoredResponse:
    """Run a command exactly once for the request's key, however many requests ask for it at once.

    Returns the response to send, fresh or stored. Raises KeyInUse, KeyMismatch, GatewayUnavailable,
    DatabaseUnavailable, the price source's error, and StateConflict where the client sent no key to store it under.
    """
    failpoint("claim.begin")
    try:
        claim = acquire(deps, request, command)
        return claim if isinstance(claim, StoredResponse) else execute_claim(deps, claim)
    except ServiceError as error:
        raise _advised(request, error) from error.__cause__
    except Exception as error:
        if request.is_repeatable:
            raise
        log.exception("movement.crashed")
        raise OutcomeUnknown from error


def execute_claim(deps: Dependencies, claim: Claim) -> StoredResponse:
    """Call the gateway for a claimed operation and write down its result.

    Raises OutcomeUnknown if the caller cannot repeat the request and the result may be lost, KeyInUse if another owner
    works on it.
    """
    try:
        result = call_gateway(deps, claim)
        is_told_false = claim.purpose is Purpose.TOLD_FALSE and claim.taken_over is None
        if is_told_false and not isinstance(result, Approved | Declined):
            result = await_decision(deps, claim, result)
    except (KeyInUse, DatabaseUnavailable) as error:  # the owner could not commit or read its progress
        if isinstance(error, DatabaseUnavailable):
            give_up_later(deps, claim)
        if not claim.is_repeatable:
            return _not_written_down(deps, claim, error)
        if isinstance(error, KeyInUse):
            return _finished_meanwhile(deps, claim)
        raise
    failpoint("gateway.answered")
    try:
        return complete(deps, claim, result)
    except Exception as error:
        if claim.is_repeatable:
            raise
        return _not_written_down(deps, claim, error)


def _finished_meanwhile(deps: Dependencies, claim: Claim) -> StoredResponse:
    try:
        return finished_meanwhile(deps, claim)
    except TransactionLost:  # no other owner has the key: it is invisible, see `keys.lock_claim`
        give_up_later(deps, claim)
        raise


def _not_written_down(deps: Dependencies, claim: Claim, error: Exception) -> StoredResponse:
    """Return the response to a caller that cannot come back: a repeat would be another payment.

    Raises OutcomeUnknown, which asks the caller to look. The recovery worker carries the operation through.
    """
    log.error("movement.not_written_down", payment_id=claim.payment.payment_id, exc_info=error)
    if isinstance(error, DatabaseUnavailable) and not isinstance(error, TransactionLost):  # no COMMIT was sent
        return deps.renderers[claim.payment.channel].answer(claim.response_format, claim.context)
    try:
        return reread(deps, claim)
    except Exception as doubt:
        raise OutcomeUnknown from doubt


def _advised(request: Request, error: ServiceError) -> ServiceError:
    """Fit the retry advice to a request without a client's key: it has no "same key", and often no safe repeat."""
    if request.key is not None or error.retry.key is None:
        return error
    if isinstance(error, TransactionLost) and not request.is_repeatable:
        return OutcomeUnknown()  # the COMMIT of the claim may have succeeded
    error.retry = replace(error.retry, key=None)
    return error
