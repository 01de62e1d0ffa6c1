"""The hashes of the rows that the engine writes: journal rows, payments and keys.

They need no query: the lock that each change takes anyway returns the head of the payment's chain.
"""

from collections.abc import Mapping
from typing import Any

from payment_service.domain.chain import (
    CHANGE,
    CLAIM,
    KEY,
    NO_OPERATION,
    OPEN_KEY,
    PAYMENT,
    RESPONSE,
    TEXTS,
    JournalKeys,
    digest,
)
from payment_service.domain.operations import Purpose
from payment_service.domain.records import IdempotencyKey, Operation, Payment, StoredResponse


def chained(journal: JournalKeys, row: dict[str, Any], head: str | None) -> dict[str, Any]:
    """Add its hashes to a journal row; `head` is the hash of the payment's row before it, None for the first one."""
    row |= {"previous_hash": head, "texts_hash": None}
    if row["caller_note"] is None:
        row["row_hash"] = journal.sign(CHANGE, row)
    else:
        row["texts_hash"] = journal.sign(TEXTS, row)
        row["row_hash"] = journal.sign(CHANGE, row | {"description": None})
    return row


def payment_hashes(journal: JournalKeys, payment: Payment, head: str | None) -> dict[str, Any]:
    """Return the hash columns of a payment; `head` is the hash of its last journal row."""
    return {"journal_hash": head, "state_hash": journal.sign(PAYMENT, {**vars(payment), "journal_hash": head})}


def open_key_hash(journal: JournalKeys, claim_digest: str, operation: Operation, purpose: Purpose | None) -> str:
    """Return the hash of a key with an open operation."""
    return journal.sign(KEY, _key(claim_digest, operation, purpose) | OPEN_KEY)


def finished_key_hashes(
    journal: JournalKeys,
    claim_digest: str,
    payment_id: int | None,
    operation: Operation | None,
    purpose: Purpose | None,
    answer: StoredResponse,
) -> dict[str, Any]:
    """Return the hash columns of a key that is finished with this answer; None as `payment_id`: it made no payment."""
    response = {"claim_digest": claim_digest, "response_status": answer.status, "response_data": answer.body}
    return {
        "row_hash": finished_key_hash(journal, claim_digest, payment_id, operation, purpose, answer.status),
        "response_hash": journal.sign(RESPONSE, response),
    }


def finished_key_hash(
    journal: JournalKeys,
    claim_digest: str,
    payment_id: int | None,
    operation: Operation | None,
    purpose: Purpose | None,
    status: int | None,
) -> str:
    """Return the hash of a finished key without its response, which retention may have emptied."""
    row = _key(claim_digest, operation, purpose)
    row |= {"payment_id": payment_id, "response_status": status}
    return journal.sign(KEY, row)


def key_row_hash(
    journal: JournalKeys,
    key: IdempotencyKey,
    operation: Operation | None = None,
    purpose: Purpose | None = None,
) -> str:
    """Return the hash of a key as its locked row stands, or as it stands with this operation and purpose."""
    if operation is None:
        operation, purpose = key.operation, key.purpose
    claim_digest = digest(CLAIM, vars(key))
    if key.response_status is None and operation is not None:
        return open_key_hash(journal, claim_digest, operation, purpose)
    return finished_key_hash(journal, claim_digest, key.payment_id, operation, purpose, key.response_status)


def _key(claim_digest: str, operation: Operation | None, purpose: Purpose | None) -> dict[str, Any]:
    if operation is None:
        return {"claim_digest": claim_digest, **NO_OPERATION}
    known: Mapping[str, Any] = vars(operation)
    return {**known, "claim_digest": claim_digest, "operation_status": operation.status, "purpose": purpose}
