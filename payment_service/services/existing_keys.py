"""The meaning of an existing key for a request: its response, another owner's lease, or a claim to take over."""

from dataclasses import replace
from enum import Enum

from payment_service.connection import Connection
from payment_service.domain.errors import KeyMismatch
from payment_service.domain.keys import differing
from payment_service.domain.operations import Kind
from payment_service.domain.records import IdempotencyKey, StoredResponse
from payment_service.repositories import key_lookups, keys, payments
from payment_service.repositories.key_states import FinishedKey
from payment_service.services.chaining import key_row_hash
from payment_service.services.claim import Claim, load_context, take_over_for
from payment_service.services.commands import ChargePayment, Command, Request, StartOperation
from payment_service.services.dependencies import Dependencies
from payment_service.services.persistence import render_response
from payment_service.services.transitions import amount_to_move


class InProgress(Enum):
    """Another owner works on the key, under a lease that has not ended."""

    IN_PROGRESS = "in progress"


def resolve_existing_key(
    connection: Connection,
    deps: Dependencies,
    request: Request,
    command: Command,
    since: float,
    seen: FinishedKey | None,
) -> Claim | StoredResponse | InProgress:
    """Decide about an existing key.

    `seen` is the key if it is finished: that needs no lock. The function locks any other key first. Raises KeyMismatch
    for a key that was used for another request, in any state.
    """
    if seen is not None and seen.response_data is not None and not seen.expired:
        _check_fingerprint(connection, request, seen.fingerprint, seen.payment_id)
        # Our own response from a moment ago, if only the answer to our COMMIT was lost.
        return StoredResponse(seen.response_status, seen.response_data, replayed=seen.owner != request.owner)
    asks = command.kind if isinstance(command, ChargePayment | StartOperation) else None
    key = keys.lock(connection, vars(request.scope))
    if key is None and asks is not None:
        key = _adopted(connection, deps, request, asks)
    if key is None:  # its owner rolls the claim back, or retention removed it just now: the next try will own it
        return InProgress.IN_PROGRESS
    _check_fingerprint(connection, request, key.fingerprint, key.payment_id)
    if key.response_status is not None:
        return _replay(connection, deps, request, command, key)
    if key.leased and key.owner != request.owner:
        return InProgress.IN_PROGRESS
    return take_over_for(connection, deps, key, request, since)


def _adopted(connection: Connection, deps: Dependencies, request: Request, kind: Kind) -> IdempotencyKey | None:
    """Adopt a key that a migration knew by its gateway key only: set its own hash, and the new hash of its row."""
    key = key_lookups.adopt(connection, vars(request.scope), request.scope.gateway_key(kind))
    if key is not None:
        keys.set_hash(connection, key, key_row_hash(deps.journal, key))
    return key


def _replay(
    connection: Connection, deps: Dependencies, request: Request, command: Command, key: IdempotencyKey
) -> StoredResponse:
    """Return the response of a finished key; if retention has emptied it, render the payment as it is now."""
    if not key.is_client_key and isinstance(command, StartOperation):
        # The operation was its own key and is over: the payment's status refuses it, so there is no replay.
        amount_to_move(payments.lock(connection, command.payment_id), command.kind, command.amount)
    replayed = key.owner != request.owner
    is_kept = key.payment_id is None or not key.expired
    if is_kept and key.response_status is not None and key.response_data is not None:
        return StoredResponse(key.response_status, key.response_data, replayed=replayed)
    context = load_context(connection, key)
    return replace(render_response(connection, deps, request.response_format, context), replayed=replayed)


def _check_fingerprint(connection: Connection, request: Request, made: str, payment_id: int | None) -> None:
    fields = differing(made, request.fingerprint)
    if not fields:
        return
    payment = None if payment_id is None else payments.find(connection, payment_id)
    raise KeyMismatch(
        f"This idempotency key was used for another request (different: {', '.join(fields)})",
        fields=fields,
        payment=payment,
    )
