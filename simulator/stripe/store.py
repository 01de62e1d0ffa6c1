"""Stripe's objects and stored responses, in the ledger's own file: one transaction moves money and stores them."""

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from payment_service import clock

Json = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS stripe_objects (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    object TEXT NOT NULL,
    created INTEGER NOT NULL,
    parent TEXT,                     -- the intent of a charge, refund or dispute; the source of a balance transaction
    word TEXT,                       -- the type of an event or balance transaction
    gateway_key TEXT,
    body TEXT NOT NULL               -- JSON; what stands under "_" is not shown
);
CREATE INDEX IF NOT EXISTS stripe_objects_by_kind ON stripe_objects (object, number);
CREATE INDEX IF NOT EXISTS stripe_objects_by_parent ON stripe_objects (parent);
CREATE TABLE IF NOT EXISTS stripe_answers (
    idempotency_key TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    form TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    request_id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS stripe_endpoints (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS stripe_deliveries (
    number INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    due REAL,                        -- none: nothing more is tried
    tries INTEGER NOT NULL DEFAULT 0,
    outcome TEXT                     -- delivered, lost, given_up; none while it is tried
);
CREATE INDEX IF NOT EXISTS stripe_deliveries_due ON stripe_deliveries (due) WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS stripe_deliveries_of_events ON stripe_deliveries (event_id);
CREATE TABLE IF NOT EXISTS stripe_timers (number INTEGER PRIMARY KEY, due REAL NOT NULL, action TEXT NOT NULL,
                                          object_id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS stripe_timers_due ON stripe_timers (due);
CREATE TABLE IF NOT EXISTS stripe_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

PREFIXES = {
    "payment_intent": "pi", "charge": "ch", "refund": "re", "dispute": "du", "event": "evt",
    "balance_transaction": "txn", "payout": "po",
}  # fmt: skip


@dataclass(frozen=True)
class StoredAnswer:
    """The first response under an idempotency key."""

    path: str
    form: str
    status: int
    body: str
    request_id: str


def new_id(prefix: str) -> str:
    """Return a new id like Stripe's, `pi_` and 24 characters; hexadecimal ones, because they cost least."""
    return f"{prefix}_{clock.new_hex(24)}"


def moment() -> int:
    """Return now, in whole seconds since 1970, as Stripe's times are."""
    return int(clock.now().timestamp())


class Store:
    """The tables within one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.woken = False

    def add(self, body: Json, *, parent: str | None = None, word: str | None = None, key: str | None = None) -> Json:
        """Store a new object; set its `id` and `created` if they are missing."""
        body.setdefault("id", new_id(PREFIXES[body["object"]]))
        body.setdefault("created", moment())
        row = (body["id"], body["object"], body["created"], parent, word, key, json.dumps(body))
        self.db.execute(
            "INSERT INTO stripe_objects (id, object, created, parent, word, gateway_key, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        return body

    def save(self, body: Json) -> None:
        """Store the changes of an object."""
        self.db.execute("UPDATE stripe_objects SET body = ? WHERE id = ?", (json.dumps(body), body["id"]))

    def find(self, object_id: str | None, kind: str | None = None) -> Json | None:
        """Return an object by its id, if it is of this kind."""
        row = self.db.execute("SELECT object, body FROM stripe_objects WHERE id = ?", (object_id,)).fetchone()
        return json.loads(row["body"]) if row is not None and kind in {None, row["object"]} else None

    def children(self, parent: str, kind: str) -> list[Json]:
        """Return the objects of a kind that belong to another one, oldest first."""
        rows = self.db.execute(
            "SELECT body FROM stripe_objects WHERE parent = ? AND object = ? ORDER BY number", (parent, kind)
        )
        return [json.loads(row["body"]) for row in rows]

    def page(self, kind: str, conditions: list[tuple[str, Any]], limit: int, *, upwards: bool = False) -> list[Json]:
        """Return objects of a kind that fulfil SQL conditions, newest first or (`upwards`) oldest first."""
        where = " AND ".join(["object = ?", *(condition for condition, _ in conditions)])
        values = [value for _, value in conditions if value is not None]
        order = "" if upwards else " DESC"
        rows = self.db.execute(
            f"SELECT body FROM stripe_objects WHERE {where} ORDER BY number{order} LIMIT ?",  # noqa: S608 - our own text
            (kind, *values, limit),
        )
        return [json.loads(row["body"]) for row in rows]

    def number_of(self, object_id: str, kind: str) -> int | None:
        """Return the position of an object in the lists of its kind."""
        row = self.db.execute("SELECT number FROM stripe_objects WHERE id = ? AND object = ?", (object_id, kind))
        found = row.fetchone()
        return found["number"] if found else None

    def answer(self, idempotency_key: str) -> StoredAnswer | None:
        """Return the first response under a key."""
        row = self.db.execute(
            "SELECT path, form, status, body, request_id FROM stripe_answers WHERE idempotency_key = ?",
            (idempotency_key,),
        ).fetchone()
        return StoredAnswer(*row) if row is not None else None

    def keep_answer(self, idempotency_key: str, answer: StoredAnswer) -> None:
        """Store the first response under a key."""
        row = (idempotency_key, answer.path, answer.form, answer.status, answer.body, answer.request_id)
        self.db.execute("INSERT INTO stripe_answers VALUES (?, ?, ?, ?, ?, ?)", row)

    def set_timer(self, seconds: float, action: str, object_id: str) -> None:
        """Schedule an action on an object."""
        due = clock.now().timestamp() + seconds
        self.db.execute("INSERT INTO stripe_timers (due, action, object_id) VALUES (?, ?, ?)", (due, action, object_id))
        self.woken = True

    @property
    def has_due(self) -> bool:
        """True if a delivery or a timer is scheduled."""
        rows = "SELECT 1 FROM stripe_timers UNION ALL SELECT 1 FROM stripe_deliveries WHERE due IS NOT NULL"
        return bool(self.db.execute(f"SELECT EXISTS ({rows})").fetchone()[0])

    def setting(self, name: str) -> Any:
        """Return a setting; `DEFAULTS` has them all."""
        row = self.db.execute("SELECT value FROM stripe_settings WHERE name = ?", (name,)).fetchone()
        return json.loads(row["value"]) if row is not None else DEFAULTS[name]

    def change_setting(self, name: str, value: Any) -> None:
        """Set a setting, for good."""
        self.db.execute("INSERT OR REPLACE INTO stripe_settings VALUES (?, ?)", (name, json.dumps(value)))


DEFAULTS: Json = {
    "search_delay": 1.0,  # seconds until a search finds what was made
    "late_after": 1.0,  # seconds until a refund fails or succeeds late, and a dispute comes
    "balance_after": 0.0,  # seconds until a charge of automatic_async shows its balance transaction
    "hold": 7 * 86400,  # seconds that an authorization lasts
    "settle_after": None,  # seconds until the bank decides a processing or pending object without a request
    "release_as_refund": False,  # show an amount that a capture or cancel releases as a refund of the charge
    "restricted_keys": {"rk_test_forbidden": [""]},  # API key → beginnings of paths below /v1/ that it may not use
    "retry_base": 0.5,  # seconds until a webhook is sent again; they double each time
    "retries": 12,
    "webhook_timeout": 5.0,
    "settlement_currency": None,  # of balance transactions; none: the charge's own
    "exchange_rate": "1",
}
"""The settings that tests may change, with their meaning."""
