"""Completing a claimed operation: the gateway's result, the journal and the response in one transaction."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import cast

from payment_service import clock
from payment_service.connection import Connection, UniqueViolation
from payment_service.db import next_attempt
from payment_service.domain.errors import DatabaseUnavailable, GatewayUnavailable, KeyInUse
from payment_service.domain.lifecycle import Move, allows
from payment_service.domain.operations import Kind, Purpose
from payment_service.domain.records import PaymentContext, StoredResponse
from payment_service.gateways.base import (
    ActionRequired,
    Approved,
    Declined,
    GatewayResult,
    NotSent,
    Pending,
    Unknown,
)
from payment_service.repositories import key_lookups, keys, payments, timers
from payment_service.repositories.key_states import NOT_KEPT, ClaimState
from payment_service.services import reversals, undecided
from payment_service.services.chaining import finished_key_hashes
from payment_service.services.claim import Claim, load_context
from payment_service.services.dependencies import ChannelReferences, Dependencies
from payment_service.services.gateway_calls import NotAgain
from payment_service.services.lease_ends import give_up_later
from payment_service.services.outcomes import action_required, operation_completed, payment_after
from payment_service.services.persistence import record_undecided_attempt, render_response, save_changed

TURNED_AWAY = "The payment gateway turned this service away: nothing has moved, and the service tries again"
"""The message for a caller if the gateway rejects this service's credentials: the reason is for operators only."""

LONGEST_INTENT = 64

MOST_CLASHES = 4
"""Tries to find ids that no payment has: 12 digits clash once in millions of payments, never four times."""


def complete(deps: Dependencies, claim: Claim, result: GatewayResult) -> StoredResponse:
    """Write down the gateway's result, or a person's in its place, and the response. Raises KeyInUse, Unavailable.

    If the database is away, a thread retries it until the lease ends.
    """
    try:
        response = _completed(deps, claim, result)
    except DatabaseUnavailable:
        is_told_false = claim.purpose is Purpose.TOLD_FALSE and claim.taken_over is None
        if is_told_false and not isinstance(result, Declined):
            give_up_later(deps, claim)  # the next owner reverses an approval
        else:
            until = claim.send_before + deps.limits.gateway_budget
            deps.deferred.add(until, "complete", partial(_completed, deps, claim, result))
        raise
    # A request without a recognised repeat would make a second payment on "come back": recovery completes it.
    if isinstance(result, NotSent) and claim.is_repeatable:
        raise GatewayUnavailable(TURNED_AWAY) if result.rejects_us else GatewayUnavailable
    return response


def _completed(deps: Dependencies, claim: Claim, result: GatewayResult) -> StoredResponse:
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
            return response


def _write(
    connection: Connection, deps: Dependencies, claim: Claim, result: GatewayResult, clashes: int
) -> StoredResponse:
    state = keys.lock_claim(connection, claim.key_id, claim.key_hash, claim.payment.payment_id)
    if state.version != claim.payment.version:  # another change of the payment came between
        claim = replace(claim, payment=payments.lock(connection, claim.payment.payment_id))
    if state.response_status is not None:
        # Our own fence: we wrote it, and only the answer to our COMMIT was lost.
        return _stored(connection, deps, claim, state)
    if state.fence != claim.fence:
        raise KeyInUse
    operation = claim.operation
    if state.cancel_asked != operation.cancel_asked:
        operation = replace(operation, cancel_asked=state.cancel_asked)
    claim = replace(claim, operation=operation, head=state.journal_hash)
    review = undecided.review_reason(claim.operation, result)
    # If a request asked meanwhile to cancel this hold, report nothing: its next owner cancels it.
    is_unwanted = state.cancel_asked is not None and claim.operation.kind is Kind.AUTHORIZE
    is_decision = isinstance(result, Declined) or (isinstance(result, Approved) and not is_unwanted)
    if review is None and is_decision:
        return _decided(connection, deps, claim, cast("Approved | Declined", result), state, clashes)
    return _undecided(connection, deps, claim, result, state, review)


def reread(deps: Dependencies, claim: Claim) -> StoredResponse:
    """Return the response as the operation stands in the tables. The lock waits for our own open COMMIT.

    Raises KeyInUse, DatabaseUnavailable.
    """
    with deps.database.atomic("finish") as connection:
        state = keys.lock_claim(connection, claim.key_id, claim.key_hash, claim.payment.payment_id)
        return replace(_stored(connection, deps, claim, state), replayed=False)


def finished_meanwhile(deps: Dependencies, claim: Claim) -> StoredResponse:
    """Return the response of another owner that took over and finished. Raises KeyInUse while it has not."""
    with deps.database.atomic("finish") as connection:
        state = keys.lock_claim(connection, claim.key_id, claim.key_hash, claim.payment.payment_id)
        if state.response_status is None:
            raise KeyInUse
        return _stored(connection, deps, claim, state)


def _decided(
    connection: Connection,
    deps: Dependencies,
    claim: Claim,
    result: Approved | Declined,
    state: ClaimState,
    clashes: int,
) -> StoredResponse:
    operation, renderer, at = claim.operation, deps.renderers[claim.payment.channel], clock.now()
    references = ChannelReferences()
    if renderer.gives_references:
        seed = f"{operation.gateway_key}/{clashes}" if clashes else operation.gateway_key
        references = renderer.references(seed, operation.kind)
        references = _with_intent(deps, claim, references, result)
    completed, purpose = operation_completed(operation, result, claim.note), claim.purpose
    if claim.taken_over is not None and reversals.is_late(claim, result):
        transition = reversals.approve_late(connection, deps, claim.payment, claim.head, completed, claim.origin)
    elif purpose is Purpose.REVERSAL:
        transition = reversals.complete_reversal(connection, deps, claim, completed, result)
    else:
        transition, purpose = payment_after(claim.payment, completed, claim.refund, result, references, at), None
        save_changed(connection, deps, claim.payment, claim.head, transition, claim.origin)
        expires_at = transition.context.payment.hold_expires_at
        if transition.move is Move.AUTHORIZED and expires_at:
            timers.set_at(connection, "hold", claim.payment.payment_id, expires_at)
    response = render_response(connection, deps, claim.response_format, transition.context)
    payment_id, digest = claim.payment.payment_id, claim.claim_digest
    hashes = finished_key_hashes(deps.journal, digest, payment_id, completed, purpose, response)
    if not state.keeps_response:
        hashes |= NOT_KEPT
    keys.complete_operation(connection, claim.key_id, claim.key_hash, completed, purpose, response, at, hashes)
    if claim.taken_over is not None:
        keys.delete_timer(connection, claim.key_id)
    return response


def _with_intent(
    deps: Dependencies, claim: Claim, references: ChannelReferences, result: Approved | Declined
) -> ChannelReferences:
    """Use the gateway's own payment intent id, if the gateway has one and the id fits."""
    gateway = deps.gateways.named(claim.payment.gateway)
    is_shown = gateway is not None and gateway.capabilities.shows_reference and references.payment_intent_id
    if not is_shown or result.reference is None or len(result.reference) > LONGEST_INTENT:
        return references
    return replace(references, payment_intent_id=result.reference)


def _undecided(
    connection: Connection,
    deps: Dependencies,
    claim: Claim,
    result: GatewayResult,
    state: ClaimState,
    review: str | None,
) -> StoredResponse:
    known = claim.operation.review_reason
    is_news = review is None or review != known
    if is_news and (review is not None or isinstance(result, NotSent | Unknown)):
        head = record_undecided_attempt(connection, deps, claim.context, claim.head, claim.origin)
        claim = replace(claim, head=head)
    context = claim.context
    if isinstance(result, ActionRequired):
        context = _awaiting_customer(connection, deps, claim, result)
    elif isinstance(result, Pending) and claim.operation.action is not None:
        # The customer has acted: no action is left, and no time runs out.
        keys.set_action(connection, claim.key_id, claim.key_hash, None)
        context = replace(context, operation=replace(claim.operation, action=None))
    response = render_response(connection, deps, claim.response_format, context)
    quiet_since = result.quiet_since if isinstance(result, NotAgain) else None
    if review is None and known is not None and known.startswith(undecided.REJECTS_US):
        review = ""  # the gateway accepts us again: the review ends
    keys.release(connection, claim.key_id, claim.key_hash, clock.now(), quiet_since, review)
    # Operators may mend credentials at any moment: recovery looks at those operations as often as at others.
    is_reviewed = bool(review) and not undecided.rejects_us(result)
    delay = undecided.delay(state.attempts, is_reviewed=is_reviewed)
    keys.set_timer(connection, claim.key_id, state.attempts, delay)
    return response


def _awaiting_customer(
    connection: Connection, deps: Dependencies, claim: Claim, result: ActionRequired
) -> PaymentContext:
    """Write down the customer's action. The time to do it begins when the gateway first asks for it."""
    first, at = claim.operation.action, clock.now()
    expires_at = first.expires_at if first else at + timedelta(seconds=deps.limits.action_ttl)
    action = replace(result.action, expires_at=expires_at)
    keys.set_action(connection, claim.key_id, claim.key_hash, action)
    operation = replace(claim.operation, action=action)
    if not allows(claim.payment.status, Move.ACTION_REQUIRED):
        return replace(claim.context, operation=operation)
    transition = action_required(claim.payment, operation, at)
    save_changed(connection, deps, claim.payment, claim.head, transition, claim.origin)
    return transition.context


def _stored(connection: Connection, deps: Dependencies, claim: Claim, state: ClaimState) -> StoredResponse:
    """Return the stored response of a finished key, rendered anew if retention emptied it, or the open state."""
    replayed = state.response_status is not None and state.fence != claim.fence
    if state.response_status is not None and state.response_data is not None:
        return StoredResponse(state.response_status, state.response_data, replayed=replayed)
    key = key_lookups.lock_by_id(connection, claim.key_id)
    if key is None:
        raise KeyInUse
    response = render_response(connection, deps, claim.response_format, load_context(connection, key))
    return replace(response, replayed=replayed)
