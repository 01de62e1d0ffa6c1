"""Completing a claimed operation: the gateway's result, the journal and the response in one transaction."""

from dataclasses import replace
from datetime import timedelta

from payment_service import clock
from payment_service.connection import Connection, TransactionLost, UniqueViolation
from payment_service.domain.errors import GatewayUnavailable, KeyInUse
from payment_service.domain.records import Operation, PaymentContext, StoredResponse
from payment_service.gateways.base import Approved, Declined, GatewayResult, NotSent, Unknown
from payment_service.repositories import keys, payments
from payment_service.repositories.keys import ClaimState
from payment_service.services.claim import Claim, load_facts
from payment_service.services.dependencies import ChannelReferences, Dependencies
from payment_service.services.gateway_calls import NotAgain
from payment_service.services.persistence import record_undecided_attempt, render_response, save_changed
from payment_service.services.transitions import operation_completed, operation_of

SHORTEST_DELAY, LONGEST_DELAY = 5.0, 300.0
"""Seconds before the recovery worker looks an undecided operation up again: doubling, then every five minutes."""

PATIENCE, REVIEW_DELAY = timedelta(hours=24), 3600.0
"""What is undecided for so long is a person's to ask about; the worker goes on looking it up, once an hour."""

MOST_CLASHES = 4
"""Tries to find ids that no payment has: 12 digits clash once in millions of payments, never four times."""


def complete(deps: Dependencies, claim: Claim, result: GatewayResult) -> StoredResponse:
    """Write down the gateway's result, or a person's in its place, and the response. Raises KeyInUse, Unavailable."""
    clashes = 0
    while True:
        try:
            return _complete(deps, claim, result, clashes)
        except UniqueViolation:
            clashes += 1
            if clashes == MOST_CLASHES:
                raise


def _complete(deps: Dependencies, claim: Claim, result: GatewayResult, clashes: int) -> StoredResponse:
    for attempt in deps.database.attempts():
        with attempt:
            with deps.database.atomic("finish") as connection:
                answer = _write(connection, deps, claim, result, clashes)
            # "Come back" would make a second payment of a request that is not recognised: recovery completes it.
            if isinstance(result, NotSent) and claim.is_repeatable:
                raise GatewayUnavailable
            return answer
    raise TransactionLost


def _write(
    connection: Connection, deps: Dependencies, claim: Claim, result: GatewayResult, clashes: int
) -> StoredResponse:
    payment_id = claim.facts.payment.payment_id
    state = keys.lock_claim(connection, claim.key_id, claim.key_hash, payment_id)
    if state is None:
        raise KeyInUse
    facts = claim.facts
    if state.version != facts.payment.version:  # another change of the payment came between
        facts = _read_again(connection, facts)
    if state.response_status is not None:
        # Under our own fence it was us who wrote it: only the answer to our COMMIT was lost.
        return _stored(connection, deps, claim, state)
    if state.fence != claim.fence:
        raise KeyInUse
    review = _review_reason(facts, result)
    if review is None and isinstance(result, Approved | Declined):
        return _decided(connection, deps, claim, facts, result, clashes)
    return _undecided(connection, deps, claim, facts, result, state, review)


def _decided(
    connection: Connection,
    deps: Dependencies,
    claim: Claim,
    facts: PaymentContext,
    result: Approved | Declined,
    clashes: int,
) -> StoredResponse:
    operation, renderer, at = operation_of(facts), deps.renderers[facts.payment.channel], clock.now()
    references = ChannelReferences()
    if renderer.gives_references:
        seed = f"{operation.gateway_key}/{clashes}" if clashes else operation.gateway_key
        references = renderer.references(seed, operation.kind)
    transition = operation_completed(facts, result, references, at, claim.note)
    save_changed(connection, deps, facts.payment, transition, claim.origin)
    answer = render_response(connection, deps, claim.response_format, transition.facts)
    completed = operation_of(transition.facts)
    keys.complete_operation(connection, claim.key_id, claim.key_hash, completed, answer, at)
    if claim.taken_over is not None:
        keys.delete_timer(connection, claim.key_id)
    return answer


def _undecided(
    connection: Connection,
    deps: Dependencies,
    claim: Claim,
    facts: PaymentContext,
    result: GatewayResult,
    state: ClaimState,
    review: str | None,
) -> StoredResponse:
    if review is not None or isinstance(result, NotSent | Unknown):
        record_undecided_attempt(connection, facts, claim.origin)
    answer = render_response(connection, deps, claim.response_format, facts)
    quiet_since = result.quiet_since if isinstance(result, NotAgain) else None
    keys.release(connection, claim.key_id, claim.key_hash, clock.now(), quiet_since, review)
    keys.set_timer(connection, claim.key_id, state.attempts, _delay(state.attempts, is_reviewed=review is not None))
    return answer


def _stored(connection: Connection, deps: Dependencies, claim: Claim, state: ClaimState) -> StoredResponse:
    """What the key was finished with, rendered anew where the response was not kept."""
    replayed = state.fence != claim.fence
    if state.response_status is not None and state.response_data is not None:
        return StoredResponse(state.response_status, state.response_data, replayed=replayed)
    key = keys.lock_by_id(connection, claim.key_id)
    if key is None:
        raise KeyInUse
    answer = render_response(connection, deps, claim.response_format, load_facts(connection, key))
    return replace(answer, replayed=replayed)


def _read_again(connection: Connection, facts: PaymentContext) -> PaymentContext:
    return replace(facts, payment=payments.lock(connection, facts.payment.payment_id))


def _review_reason(facts: PaymentContext, result: GatewayResult) -> str | None:
    """Why a person must look at this operation: an approval not believed, a send never safe again, a day of waiting."""
    operation = operation_of(facts)
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
    return min(longest, SHORTEST_DELAY * 2.0 ** min(attempts - 1, 10))
