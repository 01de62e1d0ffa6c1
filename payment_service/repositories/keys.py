"""Idempotency keys: the row that serialises every decision about a key, with its operation, claim and response."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from payment_service.connection import Connection, TransactionLost
from payment_service.domain.operations import Action, CancelReason, Purpose
from payment_service.domain.records import IdempotencyKey, Operation, StoredResponse
from payment_service.repositories.key_states import ClaimState, FinishedKey
from payment_service.repositories.rows import record_from


def claim(connection: Connection, values: Mapping[str, Any]) -> tuple[int, int, str | None] | FinishedKey | None:
    """Insert a key. Return its id and its payment's; or its finished row; or None for one in progress or invisible.

    `values` are the columns, `lease` and `ttl` in seconds; if `payment_id` is None, the database draws the next number.
    With the ids comes the gateway's reference of a movement that a restore has lost ("": it has none), or None.
    """
    if connection.database == "sqlite":
        found = connection.row("find_finished_key", values)
        made = None if found else connection.row("claim_key", values)
        return FinishedKey(*found) if found else made and (made[0], made[1], made[2])
    key_id, payment_id, lost, *found = connection.rows("claim_key", values)[0]
    if key_id is not None:
        return key_id, payment_id, lost
    return None if found[0] is None else FinishedKey(*found)


def find(connection: Connection, scope: Mapping[str, Any]) -> IdempotencyKey | None:
    """Return the key of a scope (`channel`, `subject`, `key_hash`) as it stands."""
    return one_key(connection, "find_key", scope)


def lock(connection: Connection, scope: Mapping[str, Any]) -> IdempotencyKey | None:
    """Return the key of a scope, its row locked."""
    return one_key(connection, "lock_key", scope)


def one_key(connection: Connection, name: str, values: Mapping[str, Any]) -> IdempotencyKey | None:
    """Run a statement of this name, and return the only key that it finds, or None."""
    row = connection.row(name, values)
    return None if row is None else record_from(IdempotencyKey, row, connection.database)


def set_hash(connection: Connection, key: IdempotencyKey, row_hash: str) -> None:
    """Write the hash of a key that has changed."""
    connection.write("set_key_hash", {"key_id": key.key_id, "key_hash": key.key_hash, "row_hash": row_hash})


def take_over(connection: Connection, key: IdempotencyKey, owner: str, lease: float) -> int:
    """Make `owner` the key's owner for `lease` seconds. Return the new fence. The caller holds the row's lock."""
    values = {"key_id": key.key_id, "key_hash": key.key_hash, "owner": owner, "lease": lease}
    return int(connection.rows("take_over_key", values)[0][0])


def lock_claim(connection: Connection, key_id: int, key_hash: str, payment_id: int) -> ClaimState:
    """Lock a claim's key, then its payment. Return the claim's state. Raises TransactionLost while one is invisible.

    No one deletes them. On Citus, a worker that dies in the COMMIT of a claim leaves its rows prepared: sessions see
    them seconds later, when the coordinator has completed that COMMIT.
    """
    values = {"key_id": key_id, "key_hash": key_hash, "payment_id": payment_id}
    row = connection.row("lock_claim", values)
    if row is None or row[-2] is None:  # the version of the payment
        raise TransactionLost from LookupError("no session sees the claim")
    fence, attempts, response_status, response_data, cancel_asked, *others = row
    asked = None if cancel_asked is None else CancelReason(cancel_asked)
    return ClaimState(fence, attempts, response_status, response_data, asked, *others)


def note_reference(
    connection: Connection, key_id: int, key_hash: str, fence: int, reference: str, row_hash: str
) -> bool:
    """Write down the id of the object that the gateway has made. Return False if the fence has moved on."""
    noted = {"gateway_reference": reference, "row_hash": row_hash}
    return _note(connection, "note_reference", key_id, key_hash, fence, noted)


def note_cancel(connection: Connection, key_id: int, key_hash: str, fence: int, reason: CancelReason) -> bool:
    """Write down that the gateway is to cancel the operation, and why. False as above."""
    return _note(connection, "note_cancel", key_id, key_hash, fence, {"cancel_asked": reason})


def note_resend(connection: Connection, key_id: int, key_hash: str, fence: int, resend: int) -> bool:
    """Write down how many send keys are spent. False as above."""
    return _note(connection, "note_resend", key_id, key_hash, fence, {"resend": resend})


def _note(connection: Connection, name: str, key_id: int, key_hash: str, fence: int, values: Mapping[str, Any]) -> bool:
    return bool(connection.rows(name, {"key_id": key_id, "key_hash": key_hash, "fence": fence, **values}))


def ask_to_cancel(connection: Connection, key: IdempotencyKey, reason: CancelReason) -> None:
    """Let the owner of a key cancel its operation; the caller holds the row's lock. The first reason stays."""
    connection.write("ask_to_cancel", {"key_id": key.key_id, "key_hash": key.key_hash, "cancel_asked": reason})


def ask_to_cancel_charge(connection: Connection, payment_id: int, reason: CancelReason) -> list[int]:
    """Let the owners of a payment's open charge or authorization cancel it. Return their keys' numbers, now locked."""
    rows = connection.rows("ask_to_cancel_charge", {"payment_id": payment_id, "cancel_asked": reason})
    return [int(row[0]) for row in rows]


def set_action(connection: Connection, key_id: int, key_hash: str, action: Action | None) -> None:
    """Write down the customer's action before the gateway decides; None removes it."""
    connection.write("set_action", {"key_id": key_id, "key_hash": key_hash, "action": action and action.text()})


def set_operation(connection: Connection, key_id: int, key_hash: str, operation: Operation, row_hash: str) -> None:
    """Write down the amount and currency of an operation on an existing payment, and its parent key."""
    moves = {"amount": operation.amount, "currency": operation.currency, "parent_key": operation.parent_key}
    connection.write("set_operation", {"key_id": key_id, "key_hash": key_hash, "row_hash": row_hash, **moves})


def insert_reversal(connection: Connection, values: Mapping[str, Any]) -> int:
    """Insert the key of an operation that no request asks for: its lease has ended, and it had no owner yet."""
    return int(connection.rows("insert_reversal_key", values)[0][0])


def complete_operation(
    connection: Connection,
    key_id: int,
    key_hash: str,
    operation: Operation,
    purpose: Purpose | None,
    answer: StoredResponse,
    at: datetime,
    hashes: Mapping[str, Any],
) -> None:
    """End a key when the gateway has decided its operation; `purpose` replaces the row's."""
    outcome = {
        "purpose": purpose,
        "operation_status": operation.status,
        "gateway_reference": operation.gateway_reference,
        "failure_message": operation.failure_message,
        "review_reason": operation.review_reason,
    }
    connection.write("complete_operation", _response(key_id, key_hash, answer, at, hashes) | outcome)


def store_response(
    connection: Connection,
    key_id: int,
    key_hash: str,
    answer: StoredResponse,
    at: datetime,
    hashes: Mapping[str, Any],
) -> None:
    """End a key without a gateway operation."""
    connection.write("store_response", _response(key_id, key_hash, answer, at, hashes))


def store_refusal(
    connection: Connection,
    key_id: int,
    key_hash: str,
    answer: StoredResponse,
    at: datetime,
    hashes: Mapping[str, Any],
) -> None:
    """End a key with a state conflict: it made nothing and asks for nothing."""
    connection.write("store_refusal", _response(key_id, key_hash, answer, at, hashes))


def _response(
    key_id: int, key_hash: str, answer: StoredResponse, at: datetime, hashes: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "key_id": key_id,
        "key_hash": key_hash,
        "response_status": answer.status,
        "response_data": answer.body,
        "updated_at": at,
        **hashes,
    }


def release(
    connection: Connection, key_id: int, key_hash: str, at: datetime, ended_at: datetime | None, review: str | None
) -> None:
    """End the lease, so that a repeat of the key can continue at once.

    `review` is the reason for a person to look; None keeps an earlier reason, an empty text takes it back.

    The end of a lease is the last moment at which its owner may have sent something. An owner that has sent nothing
    keeps the end of the lease before its own, `ended_at`.
    """
    values = {"key_id": key_id, "key_hash": key_hash, "review_reason": review, "updated_at": at}
    if ended_at is None:
        connection.write("release_key", values)
    else:
        connection.write("release_key_as_of", values | {"ended_at": ended_at})


def end_lease(connection: Connection, key_hash: str, owner: str) -> bool:
    """End the lease of an owner that sends nothing more. Return whether it has the key and has not finished it."""
    return bool(connection.rows("end_lease", {"key_hash": key_hash, "owner": owner}))


def revise_operation(
    connection: Connection, key: IdempotencyKey, operation: Operation, purpose: Purpose | None, row_hash: str
) -> None:
    """Write the gateway's revised result of an operation; the stored response stays. The row is locked."""
    outcome = {
        "key_id": key.key_id,
        "key_hash": key.key_hash,
        "operation_status": operation.status,
        "gateway_reference": operation.gateway_reference,
        "failure_message": operation.failure_message,
        "review_reason": operation.review_reason,
        "purpose": purpose,
        "row_hash": row_hash,
    }
    connection.write("revise_operation", outcome)


def set_timer(connection: Connection, key_id: int, attempts: int, delay: float) -> None:
    """Let the recovery worker look an undecided key up in `delay` seconds."""
    connection.write("set_timer", {"kind": "recover", "what": key_id, "attempts": attempts, "delay": delay})


def delete_timer(connection: Connection, key_id: int) -> None:
    """Delete the recovery timer of a finished key."""
    connection.write("delete_timer", {"key_id": key_id})
