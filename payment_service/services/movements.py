"""The one way money moves: claim → gateway → finish, for charge, authorize, capture, void and refund alike.

Claiming commits the intent before the first byte leaves. No transaction is open while the gateway is asked. Finishing
writes only under the current fence, so an owner who comes back late changes nothing.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from payment_service import clock
from payment_service.db import TransactionLost
from payment_service.domain.errors import GatewayUnavailable, KeyInUse, OutcomeUnknown, ServiceError
from payment_service.domain.records import Answer, Facts, Operation
from payment_service.failpoints import failpoint
from payment_service.gateways.base import Approved, Declined, Finding, NotSent, Unknown
from payment_service.repositories import idempotency as keys
from payment_service.services import asking, changes
from payment_service.services.answering import answer_now, record_and_answer
from payment_service.services.asking import NotAgain, operation_of
from payment_service.services.claiming import Claiming
from payment_service.services.idempotency import Claim
from payment_service.services.recording import count_failed_attempt, record_doubt
from payment_service.services.requests import Movement, Request
from payment_service.services.runtime import Runtime

log = structlog.get_logger(__name__)

SHORTEST_DELAY, LONGEST_DELAY = 5.0, 300.0
"""Seconds before the recovery worker looks an undecided operation up again: doubling, then every five minutes."""

PATIENCE, REVIEW_DELAY = timedelta(hours=24), 3600.0
"""What is undecided for so long is a person's to ask about; the worker goes on looking it up, once an hour."""

RECEIPT_ATTEMPTS = 4
"""Tries to find a receipt's ids that nobody has: 12 digits clash once in millions of payments, never four times."""


def move(runtime: Runtime, request: Request, movement: Movement) -> Answer:
    """Move money once for the request's key, however often and however concurrently it is asked.

    Returns the answer to send, fresh or stored. Raises KeyInUse, KeyMismatch, GatewayUnavailable, DatabaseUnavailable,
    what `NewPayment.price` raises, and Refused where the client sent no key to store the refusal under.
    """
    failpoint("claim.begin")
    try:
        outcome = Claiming(runtime, request, movement).run()
        return outcome if isinstance(outcome, Answer) else carry_through(runtime, outcome)
    except ServiceError as error:
        raise _advised(request, error) from error.__cause__
    except Exception as error:
        if request.is_repeatable:
            raise
        log.exception("movement.crashed")
        raise OutcomeUnknown from error


def _advised(request: Request, error: ServiceError) -> ServiceError:
    """An error whose advice fits a request without a client's key: there is no "same key", and often no safe repeat."""
    if request.key is not None or error.retry.key is None:
        return error
    if isinstance(error, TransactionLost) and not request.is_repeatable:
        return OutcomeUnknown()  # the claim may have been committed
    error.retry = replace(error.retry, key=None)
    return error


def carry_through(runtime: Runtime, claim: Claim) -> Answer:
    """Ask the gateway for a claimed operation and write down what it says."""
    finding = asking.ask(runtime, claim)
    failpoint("gateway.answered")
    try:
        return write_down(runtime, claim, finding)
    except Exception:
        if claim.repeatable:
            raise
        log.exception("movement.not_written_down", payment_id=claim.facts.payment.payment_id)
        # A repeat would be another payment: its caller is told to look, and the recovery worker writes it down.
        return runtime.voice(claim.facts.payment.channel).answer(claim.rendering, claim.facts)


def write_down(runtime: Runtime, claim: Claim, finding: Finding) -> Answer:
    """Finish a claimed operation with what the gateway says of it, or somebody on its behalf. Raises KeyInUse."""
    *first, last = range(RECEIPT_ATTEMPTS)
    for attempt in first:
        with suppress(IntegrityError):  # another receipt has the same id: the next attempt draws another
            return runtime.database.retrying(partial(_finish, runtime, claim, finding, attempt))
    return runtime.database.retrying(partial(_finish, runtime, claim, finding, last))


def _finish(runtime: Runtime, claim: Claim, finding: Finding, attempt: int) -> Answer:
    with runtime.database.atomic("finish") as connection:
        key = keys.lock_owned(connection, claim.key_id)
        if key is None:  # an owner that slept until the answer of whoever overtook it was purged
            raise KeyInUse
        if key.response_status is not None and key.response_data is not None:
            # Under our own fence it was us who wrote it: only the answer to our COMMIT was lost.
            return Answer(key.response_status, key.response_data, replayed=key.fence != claim.fence)
        if key.fence != claim.fence:
            raise KeyInUse
        facts = claim.facts
        if key.version != facts.payment.version:  # somebody else has moved the payment meanwhile
            _, facts = keys.lock_with_facts(connection, claim.key_id)
        doubt = _doubt(facts, finding)
        if doubt is None and isinstance(finding, Approved | Declined):
            return _settle(connection, runtime, claim, facts, finding, attempt)
        if doubt is not None:
            record_doubt(connection, operation_of(facts), doubt)
        if doubt is not None or isinstance(finding, NotSent | Unknown):
            count_failed_attempt(connection, facts)
        answer = answer_now(connection, runtime, claim.rendering, facts)
        quiet_since = finding.quiet_since if isinstance(finding, NotAgain) else None
        keys.release(connection, claim.key_id, _delay(key.attempts, doubted=doubt is not None), quiet_since)
    # "Come back" would make a second payment of a request that nobody recognises: it is carried on with instead.
    if isinstance(finding, NotSent) and claim.repeatable:
        raise GatewayUnavailable
    return answer


def _doubt(facts: Facts, finding: Finding) -> str | None:
    """Why a person must look at this operation: an approval not believed, a send never safe again, a day of waiting."""
    operation = operation_of(facts)
    if isinstance(finding, NotAgain) and finding.for_good:
        return finding.reason
    if not isinstance(finding, Approved):
        return None if isinstance(finding, Declined) else _overdue(operation)
    if (finding.amount, finding.currency) == (operation.amount, operation.currency):
        return None
    return f"asked for {operation.amount} {operation.currency}, gateway says {finding.amount} {finding.currency}"


def _overdue(operation: Operation) -> str | None:
    if clock.now() - operation.created_at < PATIENCE:
        return None
    return "the gateway has not decided for more than a day"


def _delay(attempts: int, *, doubted: bool) -> float:
    longest = REVIEW_DELAY if doubted else LONGEST_DELAY
    return min(longest, SHORTEST_DELAY * 2.0 ** min(attempts - 1, 10))


def _settle(
    connection: Connection, runtime: Runtime, claim: Claim, facts: Facts, finding: Approved | Declined, attempt: int
) -> Answer:
    operation = operation_of(facts)
    seed = f"{operation.gateway_key}/{attempt}" if attempt else operation.gateway_key
    receipt = runtime.voice(facts.payment.channel).receipt(seed, operation.kind)
    change = changes.settled(facts, finding, receipt, clock.now(), claim.note)
    return record_and_answer(
        connection,
        runtime,
        change,
        claim.key_id,
        claim.rendering,
        origin=claim.origin,
    )
