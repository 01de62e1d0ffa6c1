"""The bank's ledger: one SQLite file, committed before each reply."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import Any

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Declined, GatewayRequest, GatewayTransaction, Pending
from simulator.rules import Parent, decline_reason

_SCHEMA = """
CREATE TABLE IF NOT EXISTS operations (
    id INTEGER PRIMARY KEY,
    gateway_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    parent_key TEXT,
    content TEXT NOT NULL,           -- of the instruction, for comparison with a resend
    status TEXT NOT NULL CHECK (status IN ('approved', 'declined', 'pending')),
    lookups_left INTEGER,            -- look-ups that a pending operation still answers with "pending"
    amount TEXT NOT NULL,            -- what moves: decimal text, because SQLite's NUMERIC is a float
    currency TEXT NOT NULL,
    reference TEXT,
    authorization_code TEXT,
    code TEXT,                       -- of the refusal; a pending operation that has one will be declined
    message TEXT
);
CREATE INDEX IF NOT EXISTS operations_parent ON operations (parent_key);
CREATE TABLE IF NOT EXISTS effects (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    operation_id INTEGER NOT NULL UNIQUE REFERENCES operations (id)
);
"""
_ONE_PER_KEY = "CREATE UNIQUE INDEX IF NOT EXISTS operations_key ON operations (gateway_key)"
_MANY_PER_KEY = "CREATE INDEX IF NOT EXISTS operations_keys ON operations (gateway_key)"

# An approved operation first: where keys are not honoured, the money that moved is what counts.
_FIND = "SELECT * FROM operations WHERE gateway_key = ? ORDER BY status = 'approved' DESC, id DESC LIMIT 1"
_CHILDREN = "SELECT kind, status, amount FROM operations WHERE parent_key = ? AND code IS NULL"
_INSERT = """
INSERT INTO operations (gateway_key, kind, parent_key, content, status, lookups_left, amount, currency, reference,
                        authorization_code, code, message)
VALUES (:gateway_key, :kind, :parent_key, :content, :status, :lookups_left, :amount, :currency, :reference,
        :authorization_code, :code, :message)
"""
_EFFECTS = """
SELECT e.id, o.gateway_key, o.kind, o.amount, o.currency FROM effects e JOIN operations o ON o.id = e.operation_id
 WHERE e.id > ? ORDER BY e.id LIMIT ?
"""


class KeyConflictError(Exception):
    """A gateway key came back with another content."""


@dataclass(frozen=True)
class Plan:
    """What the bank will do with a new instruction; `lookups`: only after that many look-ups got "pending"."""

    actual_outcome: Approved | Declined
    lookups: int | None = None


@dataclass(frozen=True)
class Entry:
    """One operation as the bank reports it; `fresh` if this call recorded it."""

    gateway_key: str
    kind: Kind
    answer: Approved | Declined | Pending
    fresh: bool = False


class Ledger:
    """The ledger in the file `path`; with `idempotent=False` every send is a new operation.

    A file keeps the mode it was made with. One connection behind a lock: writers of SQLite queue anyway.
    """

    def __init__(self, path: Path | str, *, idempotent: bool = True) -> None:
        self._idempotent = idempotent
        self._lock = Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self._db.row_factory = sqlite3.Row
        # WAL with NORMAL survives kill -9 of the process without a disk flush per charge; power loss is not simulated.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA + (_ONE_PER_KEY if idempotent else _MANY_PER_KEY))

    def record(self, gateway_request: GatewayRequest, plan: Plan) -> Entry:
        """Record the plan, or the refusal where a rule forbids it; a known key returns its first entry.

        Raises KeyConflictError when the key is known with another content; nothing is written.
        """
        with self._transaction():
            if self._idempotent and (row := self._find(gateway_request.gateway_key)):
                if row["content"] != _content(gateway_request):
                    raise KeyConflictError(gateway_request.gateway_key)
                return _entry(row)
            declined = decline_reason(gateway_request, self._parent(gateway_request.parent_key))
            self._insert(gateway_request, Plan(declined) if declined else plan)
            row = self._db.execute("SELECT * FROM operations WHERE id = last_insert_rowid()").fetchone()
            self._record_effect(row)
            return replace(_entry(row), fresh=True)

    def look_up(self, gateway_key: str) -> Entry | None:
        """The operation by its key; a look-up that finds a pending operation due also decides it."""
        with self._transaction():
            row = self._find(gateway_key)
            if row is not None and row["status"] == "pending":
                row = self._advance(row)
            return _entry(row) if row is not None else None

    def effects(self, after: int, limit: int) -> list[tuple[int, GatewayTransaction]]:
        """Successful movements with their numbers, in the order they happened, those after number `after`."""
        with self._lock:
            rows = self._db.execute(_EFFECTS, (after, limit)).fetchall()
        return [
            (
                row["id"],
                GatewayTransaction(row["gateway_key"], Kind(row["kind"]), Decimal(row["amount"]), row["currency"]),
            )
            for row in rows
        ]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # The connection as context manager commits on the way out and rolls back after an error.
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield

    def _find(self, gateway_key: str) -> Any:
        return self._db.execute(_FIND, (gateway_key,)).fetchone()

    def _insert(self, gateway_request: GatewayRequest, plan: Plan) -> None:
        self._db.execute(_INSERT, _columns(gateway_request, plan))

    def _record_effect(self, row: Any) -> None:
        if row["status"] == "approved":
            self._db.execute("INSERT INTO effects (operation_id) VALUES (?)", (row["id"],))

    def _advance(self, row: Any) -> Any:
        if row["lookups_left"] > 0:
            self._db.execute("UPDATE operations SET lookups_left = lookups_left - 1 WHERE id = ?", (row["id"],))
            return row
        status = "declined" if row["code"] else "approved"
        self._db.execute("UPDATE operations SET status = ?, lookups_left = NULL WHERE id = ?", (status, row["id"]))
        decided = self._db.execute("SELECT * FROM operations WHERE id = ?", (row["id"],)).fetchone()
        self._record_effect(decided)
        return decided

    def _parent(self, parent_key: str | None) -> Parent | None:
        row = self._find(parent_key) if parent_key else None
        if row is None or row["status"] != "approved":
            return None
        children = self._db.execute(_CHILDREN, (parent_key,)).fetchall()
        captures = [child for child in children if child["kind"] == "capture"]
        return Parent(
            kind=Kind(row["kind"]),
            amount=Decimal(row["amount"]),
            currency=row["currency"],
            captured=_total(capture for capture in captures if capture["status"] == "approved"),
            capturing=_total(captures),
            refunding=_total(child for child in children if child["kind"] == "refund"),
            voided=any(child["kind"] == "void" for child in children),
        )


def _total(rows: Iterable[Any]) -> Decimal:
    return sum((Decimal(row["amount"]) for row in rows), Decimal(0))


def _content(gateway_request: GatewayRequest) -> str:
    """What must be equal in every resend; amounts are equal as numbers, since 150 may come back as 150.00."""
    amount = format(gateway_request.amount.normalize(), "f")
    asked = gateway_request
    return json.dumps([asked.kind, asked.channel, amount, asked.currency, asked.parent_key])


def _columns(gateway_request: GatewayRequest, plan: Plan) -> dict[str, Any]:
    outcome = plan.actual_outcome
    approved = outcome if isinstance(outcome, Approved) else None
    declined = outcome if isinstance(outcome, Declined) else None
    status = "pending" if plan.lookups is not None else "approved" if approved else "declined"
    return {
        "gateway_key": gateway_request.gateway_key,
        "kind": gateway_request.kind.value,
        "parent_key": gateway_request.parent_key,
        "content": _content(gateway_request),
        "status": status,
        "lookups_left": plan.lookups,
        "amount": format(approved.amount if approved else gateway_request.amount, "f"),
        "currency": approved.currency if approved else gateway_request.currency,
        "reference": outcome.reference,
        "authorization_code": approved.authorization_code if approved else None,
        "code": declined.code if declined else None,
        "message": declined.message if declined else None,
    }


def _entry(row: Any) -> Entry:
    answer: Approved | Declined | Pending
    match row["status"]:
        case "approved":
            answer = Approved(Decimal(row["amount"]), row["currency"], row["reference"], row["authorization_code"])
        case "declined":
            answer = Declined(row["code"], row["message"], row["reference"])
        case _:
            answer = Pending(row["reference"])
    return Entry(row["gateway_key"], Kind(row["kind"]), answer)
