"""Acquiring a key: the right to move money for it, or the response that already exists.

INSERT key … ON CONFLICT DO NOTHING. Inserted: the command's first writes follow, COMMIT, and the claim is ours. Not
inserted: a finished key is replayed, for it never changes again; everything else is decided after SELECT … FOR UPDATE.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from payment_service import clock, metrics
from payment_service.connection import Connection, TransactionLost, UniqueViolation
from payment_service.domain.errors import KeyInUse, KeyMismatch, StateConflict
from payment_service.domain.operations import OperationStatus
from payment_service.domain.records import StoredResponse
from payment_service.repositories import keys
from payment_service.services import first_writes
from payment_service.services.claim import Claim
from payment_service.services.commands import (
    ChangeStatus,
    ChargePayment,
    Command,
    CreatePayment,
    KeyScope,
    Request,
)
from payment_service.services.dependencies import Dependencies
from payment_service.services.existing_keys import InProgress, resolve_existing_key
from payment_service.services.first_writes import InsertedKey

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.2
"""Seconds between looks at a key in use: a fast gateway is noticed at once, a slow one is not pestered."""

MOST_CLASHES = 8
"""Tries to find ids that no payment has. Two clashes in a row are a coincidence, eight are a fault to be seen."""


def acquire(deps: Dependencies, request: Request, command: Command) -> Claim | StoredResponse:
    """The claim, or the response that makes one needless.

    Waits for a key in use. Raises KeyInUse, KeyMismatch, DatabaseUnavailable, what a price source raises, and
    StateConflict where the client sent no key to store the refusal under.
    """
    try:
        outcome = _acquire(deps, request, command)
    except KeyInUse:
        metrics.key_was_in_use()
        raise
    except KeyMismatch:
        metrics.key_was_mismatched()
        raise
    if isinstance(outcome, StoredResponse) and outcome.replayed:
        metrics.key_was_replayed()
    elif isinstance(outcome, Claim) and outcome.taken_over is not None:
        metrics.key_was_taken_over()
    else:
        metrics.key_was_new()
    return outcome


def _acquire(deps: Dependencies, request: Request, command: Command) -> Claim | StoredResponse:
    scope, owner = request.scope(), clock.new_hex(32)
    deadline = clock.monotonic() + deps.limits.wait
    command = _with_price(deps, scope, command)
    clashes = 0
    while True:
        try:
            outcome = _claim_or_resolve(deps, request, command, scope, owner, clashes)
        except UniqueViolation:
            clashes += 1
            if clashes == MOST_CLASHES:
                raise
            continue
        if not isinstance(outcome, InProgress):
            return outcome
        _wait_until_free(deps, scope, deadline)


def _with_price(deps: Dependencies, scope: KeyScope, command: Command) -> Command:
    """Ask for the price, unless the key is known: a repeat is answered even where the price cannot be asked for."""
    if not isinstance(command, CreatePayment | ChargePayment):
        return command
    source = command.payment.amount
    if isinstance(source, Decimal):
        return command
    with deps.database.reading() as connection:
        is_known = keys.find(connection, vars(scope)) is not None
    return command if is_known else replace(command, payment=replace(command.payment, amount=source.resolve()))


def _claim_or_resolve(
    deps: Dependencies, request: Request, command: Command, scope: KeyScope, owner: str, clashes: int
) -> Claim | StoredResponse | InProgress:
    for attempt in deps.database.attempts():
        with attempt:
            since, operation_id = clock.monotonic(), clock.new_id()
            with deps.database.atomic("claim") as connection:
                row = _key_row(deps, request, command, scope, owner, operation_id)
                found = keys.claim(connection, row)
                if not isinstance(found, tuple):
                    return resolve_existing_key(connection, deps, request, command, scope, owner, since, found)
                key = InsertedKey(scope, *found, operation_id, row["created_at"])
                return _begin(connection, deps, request, command, key, since, clashes)
    raise TransactionLost


def _begin(
    connection: Connection,
    deps: Dependencies,
    request: Request,
    command: Command,
    key: InsertedKey,
    since: float,
    clashes: int,
) -> Claim | StoredResponse:
    try:
        match command:
            case CreatePayment():
                return first_writes.create_payment(connection, deps, request, key, command.payment, clashes)
            case ChangeStatus():
                return first_writes.change_status(connection, deps, request, key, command)
            case ChargePayment():
                facts = first_writes.charge_payment(connection, deps, request, key, command, clashes)
            case _:
                facts = first_writes.start_operation(connection, deps, request, key, command)
    except StateConflict as refusal:
        if request.key is None:
            raise  # there is nothing to repeat, hence nothing to store
        answer = deps.renderers[request.channel].refusal(refusal)
        keys.store_refusal(connection, key.key_id, key.scope.key_hash, answer, clock.now())
        return answer
    return Claim(
        key_id=key.key_id,
        key_hash=key.scope.key_hash,
        response_format=request.response_format,
        fence=1,
        facts=facts,
        taken_over=None,
        send_before=since + deps.limits.time_to_send,
        is_repeatable=request.is_repeatable,
        origin=request.origin,
    )


def _key_row(
    deps: Dependencies, request: Request, command: Command, scope: KeyScope, owner: str, operation_id: UUID
) -> dict[str, Any]:
    row = {
        "channel": scope.channel,
        "subject": scope.subject,
        "key_hash": scope.key_hash,
        "is_client_key": scope.is_client_key,
        "request_path": request.route,
        "response_format": request.response_format,
        "fingerprint": request.fingerprint,
        "owner": owner,
        "lease": deps.limits.lease,
        "ttl": deps.limits.ttl,
        "created_at": clock.now(),
    }
    return row | _operation_columns(command, scope, operation_id)


_NO_OPERATION = dict.fromkeys(("operation_id", "kind", "amount", "currency", "operation_status", "gateway_key"))


def _operation_columns(command: Command, scope: KeyScope, operation_id: UUID) -> dict[str, Any]:
    """What the command asks of the gateway; for an existing payment the amount is known once it is locked."""
    about: dict[str, Any]
    match command:
        case CreatePayment():
            return _NO_OPERATION | {"payment_id": None}
        case ChangeStatus():
            return _NO_OPERATION | {"payment_id": command.payment_id}
        case ChargePayment():
            # Not known where the price was not asked for: then the key is, and nothing is inserted.
            amount = command.payment.amount if isinstance(command.payment.amount, Decimal) else None
            about = {"payment_id": None, "amount": amount, "currency": command.payment.currency}
        case _:
            about = {"payment_id": command.payment_id, "amount": None, "currency": None}
    return about | {
        "operation_id": operation_id,
        "kind": command.kind,
        "operation_status": OperationStatus.PENDING,
        "gateway_key": scope.gateway_key(command.kind),
    }


def _wait_until_free(deps: Dependencies, scope: KeyScope, deadline: float) -> None:
    """Return when the key is worth another try, holding no connection while waiting. Raises KeyInUse at `deadline`."""
    pause = FIRST_PAUSE
    while clock.monotonic() < deadline:
        clock.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        with deps.database.reading() as connection:
            key = keys.find(connection, vars(scope))
        if key is None or key.response_status is not None or not key.leased:
            return
    raise KeyInUse
