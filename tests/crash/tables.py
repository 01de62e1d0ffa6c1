"""The service's tables as any database client sees them; no code of the service takes part."""

import json
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any

import psycopg2
import psycopg2.extras

from tests.support.postgres import plainly

Row = Mapping[str, Any]

MONEY = frozenset(
    f"{what}amount"
    for what in ("", "authorized_", "captured_", "refunded_", "refund_pending_", "disputed_", "charged_back_")
)
LONG_AGO, NEVER = "2000-01-01 00:00:00.000000", "2999-01-01 00:00:00.000000"


class Tables:
    """Reads whole tables, and lets leases end early, on the database at `url`. One thread at a time gets through."""

    def __init__(self, url: str) -> None:
        self._lock = threading.Lock()
        self._is_sqlite = url.startswith("sqlite")
        self._connection: Any
        if self._is_sqlite:
            path = url.removeprefix("sqlite:///")
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
        else:
            self._connection = plainly(url, cursor_factory=psycopg2.extras.RealDictCursor)
            self._connection.autocommit = True

    def rows(self, table: str, order: str, where: str = "1 = 1", *values: Any) -> list[Row]:
        """Return the rows of a table, amounts as Decimals; `?` in `where` stands for a value."""
        found = self._execute(f"SELECT * FROM {table} WHERE {where} ORDER BY {order}", values)  # noqa: S608 - our own words
        return [{name: self._plain(name, row[name]) for name in row.keys()} for row in found]  # noqa: SIM118 - sqlite3.Row

    def key(self, key_hash: str) -> Row | None:
        """Return the row of an idempotency key."""
        return next(iter(self.rows("idempotency_keys", "key_id", "key_hash = ?", key_hash)), None)

    def end_leases(self, key_hash: str | None = None, *, timers: bool = True) -> None:
        """Let the leases of unfinished keys end now and, with `timers`, those be due: of one key, or of all.

        A lease that has ended keeps its end: that is when something may have been sent last. Finished keys grow old,
        so that the watermark of recovery passes them.
        """
        now = "min(leased_until, strftime('%Y-%m-%d %H:%M:%f000', 'now'))"
        if not self._is_sqlite:
            now = "least(leased_until, clock_timestamp())"
        which = "response_status IS NULL AND (key_hash = ? OR ? IS NULL)"
        both = (key_hash, key_hash)
        self._execute(f"UPDATE idempotency_keys SET leased_until = {now} WHERE {which}", both)  # noqa: S608
        keys = f"SELECT key_id FROM idempotency_keys WHERE {which}"  # noqa: S608
        if timers:
            self._execute(f"UPDATE timers SET due_at = ? WHERE what IN ({keys})", (LONG_AGO, *both))  # noqa: S608
        self._execute("UPDATE idempotency_keys SET leased_until = ? WHERE response_status IS NOT NULL", (LONG_AGO,))

    def end_timers(self) -> None:
        """Make every undecided operation due for a look-up now, after any number of tries."""
        self._execute("UPDATE timers SET due_at = ? WHERE kind = 'recover' AND due_at > ?", (LONG_AGO, LONG_AGO))

    def put_off(self, key_hash: str) -> None:
        """Put the look-ups of undecided operations off, unless a notice wakes one."""
        which = "kind = 'recover' AND what IN (SELECT key_id FROM idempotency_keys WHERE key_hash = ?)"
        self._execute(f"UPDATE timers SET due_at = ? WHERE {which}", (NEVER, key_hash))  # noqa: S608

    def end_holds(self) -> None:
        """Let every hold be asked about now."""
        self._execute("UPDATE timers SET due_at = ? WHERE kind = 'hold'", (LONG_AGO,))

    def end_pauses(self) -> None:
        """Let notices that wait be looked at now."""
        self._execute("UPDATE gateway_notices SET due_at = ? WHERE due_at IS NOT NULL", (LONG_AGO,))

    def end_action(self, key_hash: str) -> None:
        """Let the customer's time to act be over."""
        key = self.key(key_hash)
        assert key is not None
        action = json.dumps(json.loads(key["action"]) | {"expires_at": "2000-01-01T00:00:00+00:00"})
        self._execute("UPDATE idempotency_keys SET action = ? WHERE key_hash = ?", (action, key_hash))

    def end_leases_of_deliveries(self) -> None:
        """Let what a dead relay held, and what waits for another try, be claimed now."""
        self._execute("UPDATE outbox_deliveries SET leased_until = ?, due_at = ?", (LONG_AGO, LONG_AGO))

    def end_pauses_of_notices(self) -> None:
        """Let every notice that waits be looked into now."""
        self._execute("UPDATE gateway_notices SET due_at = ? WHERE due_at IS NOT NULL", (LONG_AGO,))

    def set_action(self, key_hash: str, action: str) -> None:
        """Change what the customer of an unfinished key must do."""
        self._execute(
            "UPDATE idempotency_keys SET action = ? WHERE key_hash = ? AND action IS NOT NULL", (action, key_hash)
        )

    def operations(self) -> list[Row]:
        """Return the keys that ask for a money movement."""
        return self.rows("idempotency_keys", "key_id", "kind IS NOT NULL")

    def unfinished(self) -> list[Row]:
        """Return the keys without an answer."""
        return self.rows("idempotency_keys", "key_id", "response_status IS NULL")

    def undelivered(self) -> list[Row]:
        """Return the deliveries that no sink has confirmed."""
        return self.rows("outbox_deliveries", "delivery_id", "status <> 'DELIVERED'")

    def about(self, key_hash: str) -> list[Row]:
        """Return every row that a key has led to: a process that writes nothing leaves them as they are."""
        key = self.key(key_hash)
        if key is None:
            return []
        tables = ("payments", "payment_refunds", "transactions", "reservations", "outbox_deliveries")
        rows = [row for table in tables for row in self.rows(table, "1", "payment_id = ?", key["payment_id"])]
        return [key, *self.rows("timers", "kind", "what = ?", key["key_id"]), *rows]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _plain(self, name: str, value: Any) -> Any:
        if name in MONEY and value is not None:
            return (Decimal(value) / 1000 if self._is_sqlite else value).normalize()
        return value

    def _execute(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        with self._lock:
            if self._is_sqlite:
                return list(self._connection.execute(statement, values))
            with self._connection.cursor() as cursor:
                cursor.execute(statement.replace("?", "%s"), values)
                with suppress(psycopg2.ProgrammingError):  # an UPDATE has no rows to fetch
                    return list(cursor.fetchall())
            return []


class Ledger:
    """The simulator's own file, read behind its back. `since` is where this ledger stood when it was opened."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._lock = threading.Lock()
        self._since = self._select("SELECT coalesce(max(id), 0) AS id FROM operations")[0]["id"]
        self._first = self._select("SELECT coalesce(max(number), 0) AS number FROM stripe_objects")[0]["number"]

    def operations(self) -> list[Row]:
        """Return the bank's requests since then: `gateway_key`, `kind`, `status`, `amount` (Decimal), `currency`."""
        found = self._select("SELECT * FROM operations WHERE id > ? ORDER BY id", self._since)
        return [{**{name: row[name] for name in row.keys()}, "amount": _decimal(row["amount"])} for row in found]  # noqa: SIM118

    def effects(self) -> list[Row]:
        """Return the operations that moved money, once for each time they did."""
        moved = [row["operation_id"] for row in self._select("SELECT operation_id FROM effects")]
        by_id = {row["id"]: row for row in self.operations()}
        return [by_id[number] for number in moved if number in by_id]

    def objects(self, kind: str, gateway_key: str | None = None) -> list[dict[str, Any]]:
        """Return the bank's objects in Stripe's language since then, oldest first; of one gateway key, or all."""
        which = "number > ? AND object = ? AND (gateway_key = ? OR ? IS NULL)"
        rows = self._select(
            f"SELECT body, parent FROM stripe_objects WHERE {which} ORDER BY number",  # noqa: S608 - our own words
            *(self._first, kind, gateway_key, gateway_key),
        )
        return [{**json.loads(row["body"]), "parent": row["parent"]} for row in rows]

    def has_told(self) -> bool:
        """Return whether no notice is on its way."""
        return not self._select("SELECT 1 FROM stripe_deliveries WHERE due IS NOT NULL LIMIT 1")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _select(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()


def _decimal(text: str) -> Decimal:
    return Decimal(text).normalize()
