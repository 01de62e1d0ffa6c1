"""Idempotency keys: the row that serialises every decision about a key, with its operation, claim and response."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from payment_service.connection import Connection
from payment_service.domain.operations import Purpose
from payment_service.domain.records import IdempotencyKey, Operation, StoredResponse
from payment_service.repositories.rows import record_from


@dataclass(frozen=True)
class FinishedKey:
    """What a replay reads of a finished key, without a lock: it never changes again, but its response may be purged."""

    key_id: int
    fingerprint: str
    payment_id: int | None
    owner: str
    response_status: int
    response_data: str | None
    expired: bool


@dataclass(frozen=True)
class ClaimState:
    """What an owner must know before it completes; `version` is that of the payment."""

    fence: int
    attempts: int
    response_status: int | None
    response_data: str | None
    version: int | None


def claim(connection: Connection, values: Mapping[str, Any]) -> tuple[int, int] | FinishedKey | None:
    """Insert a key: its id and its payment's. Its response where it is finished; None where it is not, or not visible.

    `values` are the columns, `lease` and `ttl` in seconds; where `payment_id` is None the next number is drawn.
    """
    if connection.database == "sqlite":
        found = connection.row("find_finished_key", values)
        made = None if found else connection.row("claim_key", values)
        return FinishedKey(*found) if found else made and (made[0], made[1])
    key_id, payment_id, *found = connection.rows("claim_key", values)[0]
    if key_id is not None:
        return key_id, payment_id
    return None if found[0] is None else FinishedKey(*found)


def find(connection: Connection, scope: Mapping[str, Any]) -> IdempotencyKey | None:
    """The key of a scope (`channel`, `subject`, `key_hash`) as it stands."""
    return _key(connection, "find_key", scope)


def lock(connection: Connection, scope: Mapping[str, Any], gateway_key: str | None) -> IdempotencyKey | None:
    """The same, its row locked. A key that a migration knew only by its `gateway_key` gets its own hash now."""
    found = _key(connection, "lock_key", scope)
    if found is None and gateway_key is not None:
        connection.write("adopt_key", {**scope, "gateway_key": gateway_key})
        found = _key(connection, "lock_key", scope)
    return found


def lock_by_id(connection: Connection, key_id: int) -> IdempotencyKey | None:
    """A key, its row locked; None where somebody else has locked it."""
    return _key(connection, "lock_key_by_id", {"key_id": key_id})


def lock_of_operation(connection: Connection, operation_id: Any) -> IdempotencyKey | None:
    """The unfinished key of an operation, its row locked; None where it is finished or there is none."""
    return _key(connection, "lock_key_of_operation", {"operation_id": operation_id})


def _key(connection: Connection, name: str, values: Mapping[str, Any]) -> IdempotencyKey | None:
    row = connection.row(name, values)
    return None if row is None else record_from(IdempotencyKey, row, connection.database)


def take_over(connection: Connection, key: IdempotencyKey, owner: str, lease: float) -> int:
    """Make `owner` the key's owner for `lease` seconds; the new fence. The caller holds the row's lock."""
    values = {"key_id": key.key_id, "key_hash": key.key_hash, "owner": owner, "lease": lease}
    return int(connection.rows("take_over_key", values)[0][0])


def lock_claim(connection: Connection, key_id: int, key_hash: str, payment_id: int) -> ClaimState | None:
    """What a claim stands at, its key and then its payment locked; None for a key that is gone."""
    values = {"key_id": key_id, "key_hash": key_hash, "payment_id": payment_id}
    row = connection.row("lock_claim", values)
    return None if row is None else ClaimState(*row)


def set_operation(
    connection: Connection, key_id: int, key_hash: str, amount: Decimal, currency: str, parent_key: str | None
) -> None:
    """Write down what an operation on an existing payment moves."""
    values = {"amount": amount, "currency": currency, "parent_key": parent_key}
    connection.write("set_operation", {"key_id": key_id, "key_hash": key_hash, **values})


def insert_reversal(connection: Connection, values: Mapping[str, Any]) -> int:
    """Insert the key of an operation that no request asks for: its lease has ended, nobody has worked on it yet."""
    return int(connection.rows("insert_reversal_key", values)[0][0])


def complete_operation(
    connection: Connection,
    key_id: int,
    key_hash: str,
    operation: Operation,
    purpose: Purpose | None,
    answer: StoredResponse,
    at: datetime,
) -> None:
    """End a key whose operation the gateway has decided; `purpose` is what its row says from now on."""
    outcome = {
        "purpose": purpose,
        "operation_status": operation.status,
        "gateway_reference": operation.gateway_reference,
        "failure_message": operation.failure_message,
        "review_reason": operation.review_reason,
    }
    connection.write("complete_operation", _response(key_id, key_hash, answer, at) | outcome)


def store_response(connection: Connection, key_id: int, key_hash: str, answer: StoredResponse, at: datetime) -> None:
    """End a key that asked nothing of the gateway."""
    connection.write("store_response", _response(key_id, key_hash, answer, at))


def store_refusal(connection: Connection, key_id: int, key_hash: str, answer: StoredResponse, at: datetime) -> None:
    """End a key with a refusal by the payment's state: it made nothing and asks for nothing."""
    connection.write("store_refusal", _response(key_id, key_hash, answer, at))


def _response(key_id: int, key_hash: str, answer: StoredResponse, at: datetime) -> dict[str, Any]:
    return {
        "key_id": key_id,
        "key_hash": key_hash,
        "response_status": answer.status,
        "response_data": answer.body,
        "updated_at": at,
    }


def release(
    connection: Connection, key_id: int, key_hash: str, at: datetime, ended_at: datetime | None, review: str | None
) -> None:
    """End the lease, so that a repeat of the key may go on at once; `review` is why a person must look at it.

    The end of a lease is the last moment at which its owner may have sent something: an owner that has sent nothing
    leaves the end of the lease before its own, `ended_at`.
    """
    values = {"ended_at": ended_at, "review_reason": review, "updated_at": at}
    connection.write("release_key", {"key_id": key_id, "key_hash": key_hash, **values})


def set_timer(connection: Connection, key_id: int, attempts: int, delay: float) -> None:
    """Let the recovery worker look an undecided key up in `delay` seconds."""
    connection.write("set_timer", {"key_id": key_id, "attempts": attempts, "delay": delay})


def delete_timer(connection: Connection, key_id: int) -> None:
    """The key is finished."""
    connection.write("delete_timer", {"key_id": key_id})
