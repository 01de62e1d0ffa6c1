"""Completing a claimed operation: the gateway's result, the journal and the response in one transaction."""

from dataclasses import replace
from datetime import timedelta

from payment_service import clock
from payment_service.connection import Connection, UniqueViolation
from payment_service.db import next_attempt
from payment_service.domain.errors import DatabaseUnavailable, GatewayUnavailable, KeyInUse
from payment_service.domain.operations import Purpose
from payment_service.domain.records import Operation, StoredResponse
from payment_service.gateways.base import Approved, Declined, GatewayResult, NotSent, Unknown
from payment_service.repositories import keys, payments
from payment_service.repositories.keys import ClaimState
from payment_service.services import reversals
from payment_service.services.claim import Claim, load_context
from payment_service.services.dependencies import ChannelReferences, Dependencies
from payment_service.services.gateway_calls import NotAgain
from payment_service.services.persistence import record_undecided_attempt, render_response, save_changed
from payment_service.services.transitions import operation_completed, payment_after

SHORTEST_DELAY, LONGEST_DELAY = 1.0, 300.0
"""Seconds before the recovery worker looks an undecided operation up again: doubling, then every five minutes."""

PATIENCE, REVIEW_DELAY = timedelta(hours=24), 3600.0
"""What is undecided for so long is a person's to ask about; the worker goes on looking it up, once an hour."""

MOST_CLASHES = 4
"""Tries to find ids that no payment has: 12 digits clash once in millions of payments, never four times."""


def complete(deps: Dependencies, claim: Claim, result: GatewayResult) -> StoredResponse:
    """Write down the gateway's result, or a person's in its place, and the response. Raises KeyInUse, Unavailable."""
    attempt, clashes = 1, 0
    while True:
        try:
            with deps.database.atomic("finish") as connection:
                response = _write(connection, deps, claim, result, clashes)
        except UniqueViolation:
            clashes += 1
            if clashes == MOST_CLASHES:
                raise
        except DatabaseUnavailable as error:
            attempt = next_attempt(error, attempt)
        else:  # committed
            # "Come back" would make a second payment of a request that is not recognised: recovery completes it.
            if isinstance(result, NotSent) and claim.is_repeatable:
                raise GatewayUnavailable
            return response


def _write(
    connection: Connection, deps: Dependencies, claim: Claim, result: GatewayResult, clashes: int
) -> StoredResponse:
    state = keys.lock_claim(connection, claim.key_id, claim.key_hash, claim.payment.payment_id)
    if state is None:
        raise KeyInUse
    if state.version != claim.payment.version:  # another change of the payment came between
        claim = replace(claim, payment=payments.lock(connection, claim.payment.payment_id))
    if state.response_status is not None:
        # Under our own fence it was us who wrote it: only the answer to our COMMIT was lost.
        return _stored(connection, deps, claim, state)
    if state.fence != claim.fence:
        raise KeyInUse
    review = _review_reason(claim.operation, result)
    if review is None and isinstance(result, Approved | Declined):
        return _decided(connection, deps, claim, result, clashes)
    return _undecided(connection, deps, claim, result, state, review)


def reread(deps: Dependencies, claim: Claim) -> StoredResponse:
    """The response as the operation stands in the tables, whose lock waits for a COMMIT of ours that is under way.

    Raises KeyInUse, DatabaseUnavailable.
    """
    with deps.database.atomic("finish") as connection:
        state = keys.lock_claim(connection, claim.key_id, claim.key_hash, claim.payment.payment_id)
        if state is None:
            raise KeyInUse
        return replace(_stored(connection, deps, claim, state), replayed=False)


def _decided(
    connection: Connection, deps: Dependencies, claim: Claim, result: Approved | Declined, clashes: int
) -> StoredResponse:
    operation, renderer, at = claim.operation, deps.renderers[claim.payment.channel], clock.now()
    references = ChannelReferences()
    if renderer.gives_references:
        seed = f"{operation.gateway_key}/{clashes}" if clashes else operation.gateway_key
        references = renderer.references(seed, operation.kind)
    completed, purpose = operation_completed(operation, result, claim.note), claim.purpose
    if claim.taken_over is not None and reversals.is_late(claim, result):
        transition = reversals.complete_late(connection, deps, claim, completed)
    elif purpose is Purpose.REVERSAL:
        transition = reversals.complete_reversal(connection, deps, claim, completed, result)
    else:
        transition, purpose = payment_after(claim.payment, completed, claim.refund, result, references, at), None
        save_changed(connection, deps, claim.payment, transition, claim.origin)
    response = render_response(connection, deps, claim.response_format, transition.context)
    keys.complete_operation(connection, claim.key_id, claim.key_hash, completed, purpose, response, at)
    if claim.taken_over is not None:
        keys.delete_timer(connection, claim.key_id)
    return response


def _undecided(
    connection: Connection,
    deps: Dependencies,
    claim: Claim,
    result: GatewayResult,
    state: ClaimState,
    review: str | None,
) -> StoredResponse:
    if review is not None or isinstance(result, NotSent | Unknown):
        record_undecided_attempt(connection, claim.context, claim.origin)
    response = render_response(connection, deps, claim.response_format, claim.context)
    quiet_since = result.quiet_since if isinstance(result, NotAgain) else None
    keys.release(connection, claim.key_id, claim.key_hash, clock.now(), quiet_since, review)
    keys.set_timer(connection, claim.key_id, state.attempts, _delay(state.attempts, is_reviewed=review is not None))
    return response


def _stored(connection: Connection, deps: Dependencies, claim: Claim, state: ClaimState) -> StoredResponse:
    """What the key was finished with, rendered anew where the response was not kept, or as it stands unfinished."""
    replayed = state.response_status is not None and state.fence != claim.fence
    if state.response_status is not None and state.response_data is not None:
        return StoredResponse(state.response_status, state.response_data, replayed=replayed)
    key = keys.lock_by_id(connection, claim.key_id)
    if key is None:
        raise KeyInUse
    response = render_response(connection, deps, claim.response_format, load_context(connection, key))
    return replace(response, replayed=replayed)


def _review_reason(operation: Operation, result: GatewayResult) -> str | None:
    """Why a person must look at this operation: an approval not believed, a send never safe again, a day of waiting."""
    if isinstance(result, NotAgain) and result.for_good:
        return result.reason
    if not isinstance(result, Approved):
        return None if isinstance(result, Declined) else _overdue(operation)
    if (result.amount, result.currency) == (operation.amount, operation.currency):
        return None
    return f"asked for {operation.amount} {operation.currency}, gateway says {result.amount} {result.currency}"


def _overdue(operation: Operation) -> str | None:
    if clock.now() - operation.created_at < PATIENCE:
        return None
    return "the gateway has not decided for more than a day"


def _delay(attempts: int, *, is_reviewed: bool) -> float:
    longest = REVIEW_DELAY if is_reviewed else LONGEST_DELAY
    return min(longest, SHORTEST_DELAY * 2.0 ** min(attempts - 1, 12))
