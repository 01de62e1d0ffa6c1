"""Chaining rows that have no hash yet, or giving all rows the hashes of another key, page by page."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from payment_service.domain.chain import (
    ACTION,
    CHANGE,
    CLAIM,
    DISPUTE,
    KEY,
    OPEN_KEY,
    PAYMENT,
    REFUND,
    RESPONSE,
    TEXTS,
    JournalKeys,
    digest,
)
from payment_service.domain.lifecycle import Move
from payment_service.models import disputes, idempotency_keys, operator_actions, payment_refunds, payments, transactions
from payment_service.repositories import chain
from payment_service.repositories.chain import Executes, Row

HELD_TEXTS = (Move.CANCEL, Move.FAIL, Move.PARTLY_REFUNDED, Move.FULLY_REFUNDED)
"""Moves with the caller's own text in `description`, in releases that did not chain the journal."""


def payment_values(payment: Row) -> Mapping[str, Any]:
    """Return a payment's row as its hash covers it: with the metadata as an object."""
    try:
        return payment | {"metadata": payment["metadata"] and json.loads(payment["metadata"])}
    except ValueError:  # no release wrote this
        return payment


def key_values(key: Row) -> Row:
    """Return a key's row as its hash and the hash of its response cover it."""
    values = key | {"claim_digest": digest(CLAIM, key)}
    return values | OPEN_KEY if key["response_status"] is None else values


def change_values(change: Row) -> Row:
    """Return a journal row as its hash covers it."""
    return change if change["texts_hash"] is None else change | {"description": None}


def chain_rows(connection: Executes, journal: JournalKeys, only: Collection[str] | None = None) -> Iterator[int]:
    """Give every row its hashes. Yield the number of payments of each page.

    No other process may write meanwhile. `only` names the columns that exist, as in `repositories.chain`.
    """
    after = 0
    while page := chain.page(connection, after, only):
        _chain_page(connection, journal, page, only)
        after = page[-1]["payment_id"]
        yield len(page)
    _chain_lone_keys(connection, journal, only)
    _chain_actions(connection, journal, only)


def _chain_page(connection: Executes, journal: JournalKeys, page: Sequence[Row], only: Collection[str] | None) -> None:
    ids = [payment["payment_id"] for payment in page]
    journals = chain.of_payments(connection, transactions, ids, only)
    heads, changes = [], []
    for payment in page:
        head = None
        for row in journals[payment["payment_id"]]:
            changes.append(_chained(journal, row, head))
            head = changes[-1]["new_row_hash"]
        values = payment_values(payment) | {"journal_hash": head}  # type: ignore[operator]
        state = journal.sign(PAYMENT, values)
        heads.append({"number": payment["payment_id"], "new_journal_hash": head, "new_state_hash": state})
    chain.write(connection, transactions, changes)
    chain.write(connection, payments, heads)
    keys = chain.of_payments(connection, idempotency_keys, ids, only)
    chain.write(connection, idempotency_keys, [_key_hashes(journal, key) for rows in keys.values() for key in rows])
    for table, kind in ((payment_refunds, REFUND), (disputes, DISPUTE)):
        number = chain.number_of(table).name
        found = chain.of_payments(connection, table, ids, only)
        rows = [row for each in found.values() for row in each]
        chain.write(
            connection, table, [{"number": row[number], "new_row_hash": journal.sign(kind, row)} for row in rows]
        )


def _chained(journal: JournalKeys, row: Row, head: str | None) -> Row:
    values = row | {"previous_hash": head}
    is_apart = row["caller_note"] is not None or row["texts_hash"] is not None
    if is_apart or (row["row_hash"] is None and row["move"] in HELD_TEXTS):
        values["texts_hash"] = journal.sign(TEXTS, values)
    return {
        "number": row["transaction_log_id"],
        "new_previous_hash": head,
        "new_row_hash": journal.sign(CHANGE, change_values(values)),
        "new_texts_hash": values["texts_hash"],
    }


def _key_hashes(journal: JournalKeys, key: Row) -> Row:
    values = key_values(key)
    response = None if key["response_data"] is None else journal.sign(RESPONSE, values)
    return {
        "number": key["key_id"],
        "new_row_hash": journal.sign(KEY, values),
        "new_response_hash": response,
    }


def _chain_lone_keys(connection: Executes, journal: JournalKeys, only: Collection[str] | None) -> None:
    after: int | None = 0
    while after is not None:
        keys, after = chain.without_payment(connection, idempotency_keys, after, only)
        chain.write(connection, idempotency_keys, [_key_hashes(journal, key) for key in keys])


def _chain_actions(connection: Executes, journal: JournalKeys, only: Collection[str] | None) -> None:
    head, changes = None, []
    for row in chain.in_pages(connection, operator_actions, only):
        row_hash = journal.sign(ACTION, row | {"previous_hash": head})
        changes.append({"number": row["action_id"], "new_previous_hash": head, "new_row_hash": row_hash})
        head = row_hash
    chain.write(connection, operator_actions, changes)
