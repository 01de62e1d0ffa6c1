"""Acquiring a key: get the right to move money for it, or the response that already exists.

`acquire` inserts the key with ON CONFLICT DO NOTHING. If that succeeds, it makes the command's first writes and
commits: the claim is ours. If the key exists and is finished with a stored response, it replays that without a lock,
because that response never changes. It decides about all other keys after SELECT … FOR UPDATE.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from payment_service import clock, metrics
from payment_service.connection import Connection, TransactionLost, UniqueViolation
from payment_service.db import next_attempt
from payment_service.domain.chain import CLAIM, KEY, NO_OPERATION, OPEN_KEY, digest
from payment_service.domain.errors import DatabaseUnavailable, KeyInUse, KeyMismatch, StateConflict
from payment_service.domain.operations import Kind, OperationStatus, Purpose
from payment_service.domain.records import StoredResponse
from payment_service.repositories import key_status, keys
from payment_service.services import first_writes
from payment_service.services.chaining import finished_key_hashes
from payment_service.services.claim import Claim
from payment_service.services.commands import (
    ChangeStatus,
    ChargePayment,
    Command,
    CreatePayment,
    Request,
    StartOperation,
)
from payment_service.services.dependencies import Dependencies
from payment_service.services.existing_keys import InProgress, resolve_existing_key
from payment_service.services.first_writes import InsertedKey
from payment_service.services.lease_ends import end_lease_later

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.2
"""Seconds between looks at a key in use: short at first, for fast gateways, then longer to spare the database."""

MOST_CLASHES = 8
"""Tries to find ids that no payment has. Two clashes in a row are a coincidence, eight are a fault to report."""


def acquire(deps: Dependencies, request: Request, command: Command) -> Claim | StoredResponse:
    """Return the claim, or the stored response that makes a claim needless.

    Waits for a key in use. Raises KeyInUse, KeyMismatch, DatabaseUnavailable, the price source's error, and
    StateConflict where the client sent no key to store the refusal under.
    """
    if request.principal.alias_of is not None and request.is_repeatable:
        request = _in_known_scope(deps, request)
    try:
        outcome = _wait_and_acquire(deps, request, _with_price(deps, request, command))
    except KeyInUse:
        metrics.key_used("conflict")
        raise
    except KeyMismatch:
        metrics.key_used("mismatch")
        raise
    if isinstance(outcome, Claim):
        metrics.key_used("new" if outcome.taken_over is None else "taken_over")
    else:
        metrics.key_used("replayed" if outcome.replayed else "new")
    return outcome


def _in_known_scope(deps: Dependencies, request: Request) -> Request:
    """Return the request under its own subject if that used the key before it became an alias."""
    principal = request.principal
    with deps.database.reading() as connection:
        known = key_status.of_key(connection, [request.channel], principal.subject, request.scope.key_hash)
    return replace(request, principal=replace(principal, alias_of=None)) if known else request


def _with_price(deps: Dependencies, request: Request, command: Command) -> Command:
    """Ask for the price unless the key is known: a repeat gets its response even while the price source is away."""
    if not isinstance(command, CreatePayment | ChargePayment) or isinstance(command.payment.amount, Decimal):
        return command
    with deps.database.reading() as connection:
        if keys.find(connection, vars(request.scope)) is not None:
            return command
    return replace(command, payment=replace(command.payment, amount=command.payment.amount.resolve()))


def _wait_and_acquire(deps: Dependencies, request: Request, command: Command) -> Claim | StoredResponse:
    deadline, attempt, clashes = clock.monotonic() + deps.limits.wait, 1, 0
    while True:
        try:
            with deps.database.atomic("claim") as connection:
                outcome = _insert_or_resolve(connection, deps, request, command, clashes)
        except UniqueViolation:
            clashes += 1
            if clashes == MOST_CLASHES:
                raise
        except DatabaseUnavailable as error:
            attempt = _next_attempt(deps, request, error, attempt)
        else:
            if not isinstance(outcome, InProgress):
                return outcome
            _wait_until_free(deps, request, deadline)
            attempt = 1


def _next_attempt(deps: Dependencies, request: Request, error: DatabaseUnavailable, attempt: int) -> int:
    """Do as `next_attempt`. On TransactionLost, end the lease of a claim that may be committed and has no owner."""
    try:
        return next_attempt(error, attempt)
    except TransactionLost:
        end_lease_later(deps, request.scope.key_hash, request.owner)
        raise


def _insert_or_resolve(
    connection: Connection, deps: Dependencies, request: Request, command: Command, clashes: int
) -> Claim | StoredResponse | InProgress:
    """Insert the key with the command's first writes, or decide about the existing key, in the open transaction."""
    since, operation_id = clock.monotonic(), clock.new_id()
    row = _key_row(deps, request, command, operation_id)
    found = keys.claim(connection, row)
    if not isinstance(found, tuple):
        return resolve_existing_key(connection, deps, request, command, since, found)
    key = InsertedKey(
        request.scope, *found, operation_id, row["created_at"], since, row["purpose"], row["claim_digest"]
    )
    try:
        match command:
            case CreatePayment():
                return first_writes.create_payment(connection, deps, request, key, command.payment, clashes)
            case ChargePayment():
                return first_writes.charge_payment(connection, deps, request, key, command, clashes)
            case StartOperation():
                return first_writes.start_operation(connection, deps, request, key, command)
            case ChangeStatus():
                return first_writes.change_status(connection, deps, request, key, command)
    except StateConflict as conflict:
        if request.key is None:
            raise  # without a key there is no repeat, so no response to store
        response = deps.renderers[request.channel].refusal(conflict)
        hashes = finished_key_hashes(deps.journal, key.claim_digest, None, None, None, response)
        keys.store_refusal(connection, key.key_id, request.scope.key_hash, response, clock.now(), hashes)
        return response


_NO_OPERATION = dict.fromkeys(
    (
        *("operation_id", "kind", "amount", "currency", "operation_status", "gateway_key", "purpose", "terms"),
        "row_hash",
    )
)


def _key_row(deps: Dependencies, request: Request, command: Command, operation_id: UUID) -> dict[str, Any]:
    """Return the columns of a new key, with the gateway operation of its command.

    The amount for an existing payment is known only once the payment is locked.
    """
    row: dict[str, Any] = vars(request.scope) | {
        "request_path": request.route,
        "response_format": request.response_format,
        "fingerprint": request.fingerprint,
        "owner": request.owner,
        "lease": deps.limits.lease,
        "ttl": deps.limits.ttl,
        "created_at": clock.now(),
        "payment_id": None if isinstance(command, CreatePayment | ChargePayment) else command.payment_id,
    }
    row["claim_digest"] = digest(CLAIM, row)
    if isinstance(command, CreatePayment | ChangeStatus):
        return row | _NO_OPERATION  # `complete` gives it a hash in the same transaction
    new = command.payment if isinstance(command, ChargePayment) else None
    row |= {
        "operation_id": operation_id,
        "kind": command.kind,
        # Without a price there is no amount: then the key is known, and the insert does nothing.
        "amount": new.amount if new and isinstance(new.amount, Decimal) else None,
        "currency": new and new.currency,
        "operation_status": OperationStatus.PENDING,
        "gateway_key": request.scope.gateway_key(command.kind),
        "purpose": _purpose(deps, request, command),
        "terms": request.terms.text() if command.kind in (Kind.CHARGE, Kind.AUTHORIZE) else None,
    }
    row["row_hash"] = deps.journal.sign(KEY, {**NO_OPERATION, **row, **OPEN_KEY})
    return row


def _purpose(deps: Dependencies, request: Request, command: Command) -> Purpose | None:
    """Return TOLD_FALSE for a caller that never asks again, unless its customer may have to act first."""
    if not request.never_asks_again or not isinstance(command, ChargePayment):
        return None
    gateway = deps.gateways.named(deps.gateways.name_for(command.payment.method))
    may_ask_customer = gateway is not None and command.kind in gateway.capabilities.registers
    return None if may_ask_customer and request.terms.return_url else Purpose.TOLD_FALSE


def _wait_until_free(deps: Dependencies, request: Request, deadline: float) -> None:
    """Return when the key is worth another try, holding no connection while waiting. Raises KeyInUse at `deadline`."""
    pause = FIRST_PAUSE
    while clock.monotonic() < deadline:
        clock.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        with deps.database.reading() as connection:
            key = keys.find(connection, vars(request.scope))
        if key is None or key.response_status is not None or not key.leased:
            return
    raise KeyInUse
