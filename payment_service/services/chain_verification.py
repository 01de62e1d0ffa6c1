"""Comparing every row with its hash: J1 the journal, J2 payments, J3 keys, J4 refunds and disputes, J5 actions.

`services/seals.py` has J6: rows that a seal counted and that are missing now.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Table

from payment_service.domain.chain import (
    ACTION,
    CHANGE,
    DISPUTE,
    ERASED,
    KEY,
    PAYMENT,
    REFUND,
    RESPONSE,
    TEXTS,
    JournalKeys,
)
from payment_service.domain.operations import Kind, Purpose
from payment_service.models import disputes, idempotency_keys, operator_actions, payment_refunds, transactions
from payment_service.repositories import chain
from payment_service.repositories.chain import Row
from payment_service.services import reversals
from payment_service.services.chain_making import change_values, key_values, payment_values
from payment_service.services.dependencies import Dependencies
from payment_service.services.later_verification import Violation
from payment_service.services.revisions import DISPUTE_MOVES

OF_DISPUTES = frozenset(DISPUTE_MOVES.values())


def verify_rows(deps: Dependencies, detached: datetime | None) -> Iterator[Violation]:
    """Yield every row that does not match its hash, and every row that other rows miss, payment by payment.

    `detached`: months of the journal before this moment may have been taken out of the database.
    """
    after = 0
    while True:
        with deps.database.snapshot() as connection:
            page = chain.page(connection, after)
            ids = [payment["payment_id"] for payment in page]
            rows = {table: chain.of_payments(connection, table, ids) for table in chain.OF_PAYMENT}
        for payment in page:
            number = payment["payment_id"]
            journal, keys = rows[transactions][number], rows[idempotency_keys][number]
            yield from _journal(deps.journal, payment, journal, detached)
            yield from _payment(deps.journal, payment)
            yield from _keys(deps.journal, payment, journal, keys, detached)
            yield from _refunds(deps.journal, number, keys, rows[payment_refunds][number])
            yield from _disputes(deps.journal, number, journal, rows[disputes][number])
        if len(page) < chain.PAGE:
            break
        after = ids[-1]
    yield from _without_payment(deps)
    yield from _actions(deps)


def _journal(keys: JournalKeys, payment: Row, rows: Sequence[Row], detached: datetime | None) -> Iterator[Violation]:
    """J1: name the first journal row of a payment that was changed, removed or inserted."""
    head: str | None = None
    erased = max((row["transaction_log_id"] for row in rows if row["move"] == ERASED), default=0)
    for row in rows:
        name = f"journal row {row['transaction_log_id']} of payment {row['payment_id']}"
        version = "" if row["version"] is None else f" (version {row['version']})"
        # The first remaining row may follow a row of a month that was taken out.
        is_cut = head is None and row["previous_hash"] is not None and detached is not None
        if row["previous_hash"] != head and not is_cut:
            yield Violation("J1", name + version, "a row before it was removed, or it was inserted")
            return
        if problem := keys.fault(CHANGE, change_values(row), row["row_hash"]):
            yield Violation("J1", name + version, problem)
            return
        if (problem := _texts(keys, row)) and not (row["caller_note"] is None and row["transaction_log_id"] < erased):
            yield Violation("J1", name + version, f"its texts: {problem}")
            return
        head = row["row_hash"]
    is_gone = detached is not None and payment["updated_at"] < detached
    if payment["journal_hash"] != head and not (head is None and is_gone):
        last = f"after row {rows[-1]['transaction_log_id']}" if rows else "all of them"
        yield Violation("J1", f"journal rows of payment {payment['payment_id']}", f"removed or inserted: {last}")


def _texts(keys: JournalKeys, row: Row) -> str | None:
    if row["texts_hash"] is None:
        return None if row["caller_note"] is None else "a note without a hash was inserted"
    return keys.fault(TEXTS, row, row["texts_hash"])


def _payment(keys: JournalKeys, payment: Row) -> Iterator[Violation]:
    """J2: compare the payment with the hash of its last change."""
    if problem := keys.fault(PAYMENT, payment_values(payment), payment["state_hash"]):
        yield Violation("J2", f"payment {payment['payment_id']}", problem)


def _keys(
    journal: JournalKeys, payment: Row, changes: Sequence[Row], keys: Sequence[Row], detached: datetime | None
) -> Iterator[Violation]:
    """J3: compare keys with the hashes of their claim and end; every operation in the journal must have its key."""
    number = payment["payment_id"]
    for key in keys:
        yield from _key(journal, key)
    asked = {change["operation_id"] for change in changes if change["operation_id"] is not None}
    there = {key["operation_id"] for key in keys if key["operation_id"] is not None}
    for operation_id in sorted(asked - there, key=str):
        yield Violation(
            "J3", f"key of operation {operation_id} of payment {number}", "was removed, or is another one's"
        )
    for key in keys:
        is_told = key["operation_id"] is None or key["operation_id"] in asked or _reverses(payment, key)
        if not is_told and detached is None:
            yield Violation("J3", f"key {key['key_id']} of payment {number}", "its operation is not in the journal")


def _reverses(payment: Row, key: Row) -> bool:
    """Return whether a key is a reversal's of this payment: the journal has that once the gateway has decided it."""
    of_payment = (payment["channel"], payment["subject"], payment["public_id"])
    scope = reversals.scope_of(*of_payment, key["request_path"])
    return (key["purpose"], key["key_hash"]) == (Purpose.REVERSAL, scope.key_hash)


def _key(journal: JournalKeys, key: Row) -> Iterator[Violation]:
    name, values = f"key {key['key_id']}", key_values(key)
    if problem := journal.fault(KEY, values, key["row_hash"]):
        yield Violation("J3", name, problem)
    if key["response_data"] is not None:
        if problem := journal.fault(RESPONSE, values, key["response_hash"]):
            yield Violation("J3", name, f"its response {problem}")
    elif key["response_hash"] is not None and not key["has_ended"]:
        yield Violation("J3", name, "its response was removed before its time")


def _refunds(journal: JournalKeys, number: int, keys: Sequence[Row], refunds: Sequence[Row]) -> Iterator[Violation]:
    """J4: compare refunds with the hash of their last change; each refund and its key must name each other."""
    asked = {key["key_hash"]: key for key in keys if key["kind"] == Kind.REFUND}
    for refund in refunds:
        name, key = f"refund {refund['refund_id']} of payment {number}", asked.get(refund["key_hash"])
        if problem := journal.fault(REFUND, refund, refund["row_hash"]):
            yield Violation("J4", name, problem)
        elif key is None or (key["channel"], key["subject"]) != (refund["channel"], refund["subject"]):
            yield Violation("J4", name, "no key of its channel and subject asked for it")
    for key_hash in sorted(asked.keys() - {refund["key_hash"] for refund in refunds}):
        yield Violation("J4", f"refund of key {asked[key_hash]['key_id']} of payment {number}", "was removed")


def _disputes(journal: JournalKeys, number: int, changes: Sequence[Row], rows: Sequence[Row]) -> Iterator[Violation]:
    """J4: compare disputes with their hashes, and find those that are in the journal only."""
    for row in rows:
        if problem := journal.fault(DISPUTE, row, row["row_hash"]):
            yield Violation("J4", f"dispute {row['reference']} of payment {number}", problem)
    told = {change["description"] for change in changes if change["move"] in OF_DISPUTES}
    for text in sorted(told):
        if not any(text.startswith(f"Dispute {row['reference']}:") for row in rows):
            yield Violation("J4", f"dispute of payment {number}", f"was removed: {text}")


def _without_payment(deps: Dependencies) -> Iterator[Violation]:
    """J2: find rows that name a payment which does not exist. J3: verify the keys that made no payment."""
    for table in chain.OF_PAYMENT:
        told = set()
        for row in _rows_without_payment(deps, table):
            if row["payment_id"] is None:
                yield from _key(deps.journal, row)
            elif row["payment_id"] not in told:
                told.add(row["payment_id"])
                yield Violation("J2", f"payment {row['payment_id']}", f"was removed: {table.name} has rows of it")


def _rows_without_payment(deps: Dependencies, table: Table) -> Iterator[Row]:
    after: int | None = 0
    while after is not None:
        with deps.database.snapshot() as connection:
            found, after = chain.without_payment(connection, table, after)
        yield from found


def _actions(deps: Dependencies) -> Iterator[Violation]:
    """J5: name the first action of an operator that was changed, removed or inserted."""
    with deps.database.reading() as connection:
        actions = list(chain.in_pages(connection, operator_actions))
    head = None
    for row in actions:
        if problem := deps.journal.fault_after(ACTION, row, head, "an action"):
            yield Violation("J5", f"operator action {row['action_id']}", problem)
            return
        head = row["row_hash"]
