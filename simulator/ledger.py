"""The simulator's ledger: one SQLite file, committed before each reply."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import Any

from payment_service import clock
from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Declined, GatewayRequest, Pending
from simulator import ledger_sql as sql
from simulator.rules import Parent, decline_reason


class KeyConflictError(Exception):
    """A gateway key came back with another content."""


class LedgerClosedError(Exception):
    """The file was closed before its last use."""


@dataclass(frozen=True)
class Plan:
    """The outcome for a new request; `lookups`: pending until after so many look-ups."""

    actual_outcome: Approved | Declined
    lookups: int | None = None


@dataclass(frozen=True)
class Entry:
    """One operation as the simulator reports it; `fresh` if this call recorded it."""

    gateway_key: str
    kind: Kind
    answer: Approved | Declined | Pending
    fresh: bool = False


class Ledger:
    """The ledger in the file `path`; with `idempotent=False` every send is a new operation.

    A file keeps the mode it was made with. One connection behind a lock: SQLite's writers queue anyway.
    """

    def __init__(self, path: Path | str, *, idempotent: bool = True) -> None:
        self.idempotent = idempotent
        self._is_open = True
        self._lock = Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self._db.row_factory = sqlite3.Row
        # WAL with NORMAL survives kill -9 of the process without a disk flush per charge; power loss is not simulated.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(sql.SCHEMA)
        self._add_missing_columns()
        self._db.executescript(sql.MANY_PER_KEY + (sql.ONE_PER_KEY if idempotent else ""))

    def record(self, gateway_request: GatewayRequest, plan: Plan) -> Entry:
        """Record the plan, or the decline if a rule forbids it; a known key returns its first entry.

        Raises KeyConflictError when the key is known with another content; nothing is written.
        """
        with self.transaction():
            return self.enter(gateway_request, plan)

    def enter(self, gateway_request: GatewayRequest, plan: Plan) -> Entry:
        """Record as `record`, within the caller's transaction."""
        if self.idempotent and (row := self._find(gateway_request.gateway_key)):
            if row["content"] != _content(gateway_request):
                raise KeyConflictError(gateway_request.gateway_key)
            return _entry(row)
        declined = decline_reason(gateway_request, self._parent(gateway_request.parent_key))
        number = self.write(gateway_request, Plan(declined) if declined else plan)
        return replace(_entry(self._by_number(number)), fresh=True)

    def find(self, gateway_key: str) -> Entry | None:
        """Return the operation of a key, within the caller's transaction; this does not count as a look-up."""
        row = self._find(gateway_key)
        return _entry(row) if row is not None else None

    def look_up(self, gateway_key: str) -> Entry | None:
        """Return the operation of a key; a look-up that finds a pending operation due also decides it."""
        with self.transaction():
            row = self._find(gateway_key)
            return self.advance(row["id"]) if row is not None else None

    def write(self, gateway_request: GatewayRequest, plan: Plan, object_id: str | None = None) -> int:
        """Record the plan within the caller's transaction without checking the rules; return the operation's number."""
        row = _columns(gateway_request, plan) | {"object_id": object_id}
        number = self._db.execute(sql.INSERT, row).lastrowid or 0
        if row["status"] == "approved":
            self._record_effect(number)
        return number

    def advance(self, number: int, *, at_once: bool = False) -> Entry:
        """Count a look-up of an operation within the caller's transaction, or decide it `at_once`; return it."""
        row = self._by_number(number)
        if row["status"] == "pending" and (at_once or row["lookups_left"] == 0):
            return _entry(self._decide(row))
        if row["status"] == "pending":
            self._db.execute("UPDATE operations SET lookups_left = lookups_left - 1 WHERE id = ?", (number,))
        return _entry(row)

    def effects(
        self, after: int, limit: int, since: datetime | None = None, until: datetime | None = None
    ) -> list[dict[str, Any]]:
        """Return successful movements of [`since`, `until`) in their order, those after number `after`."""
        bounds = {"since": _text(since) if since else "", "until": _text(until) if until else "~"}
        with self._lock:
            return [dict(row) for row in self._db.execute(sql.EFFECTS, {"after": after, "limit": limit, **bounds})]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._is_open = False
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run one exclusive transaction over the file. Raises LedgerClosedError after the end."""
        # The connection as context manager commits on the way out and rolls back after an error.
        with self._lock:
            if not self._is_open:
                raise LedgerClosedError
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db

    def _find(self, gateway_key: str) -> Any:
        return self._db.execute(sql.FIND, (gateway_key,)).fetchone()

    def _by_number(self, number: int) -> Any:
        return self._db.execute("SELECT * FROM operations WHERE id = ?", (number,)).fetchone()

    def _record_effect(self, number: int) -> None:
        self._db.execute("INSERT INTO effects (operation_id, created_at) VALUES (?, ?)", (number, _text(clock.now())))

    def _decide(self, row: Any) -> Any:
        status = "declined" if row["code"] else "approved"
        self._db.execute("UPDATE operations SET status = ?, lookups_left = NULL WHERE id = ?", (status, row["id"]))
        if status == "approved":
            self._record_effect(row["id"])
        return self._by_number(row["id"])

    def _add_missing_columns(self) -> None:
        for table, column in (("operations", "object_id TEXT"), ("effects", "created_at TEXT NOT NULL DEFAULT ''")):
            known = {row["name"] for row in self._db.execute(f"PRAGMA table_info({table})")}
            if column.partition(" ")[0] not in known:
                self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")

    def _parent(self, parent_key: str | None) -> Parent | None:
        row = self._find(parent_key) if parent_key else None
        if row is None or row["status"] != "approved":
            return None
        children = self._db.execute(sql.CHILDREN, (parent_key,)).fetchall()
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


def _text(moment: datetime) -> str:
    """Return a time in UTC as a text; such texts sort as their times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _total(rows: Iterable[Any]) -> Decimal:
    return sum((Decimal(row["amount"]) for row in rows), Decimal(0))


def _content(gateway_request: GatewayRequest) -> str:
    """Return the content that every resend must repeat; amounts are compared as numbers: 150 equals 150.00."""
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
