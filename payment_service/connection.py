"""One database connection for one phase of work, and the service's errors for the drivers' errors.

A write waits until a statement that gives rows follows it, or COMMIT. To PostgreSQL they travel in one message, in the
order in which they were written, BEGIN with the first; it stops at the first one that fails. Measured over TCP with 0.5
ms of delay, a round trip for each statement makes a charge take 1.6 times as long (1.2 to 2.6 in eight turns).
"""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from itertools import chain
from typing import Any

import psycopg2
import sqlalchemy
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INERROR, TRANSACTION_STATUS_INTRANS
from sqlalchemy import CursorResult, Executable
from sqlalchemy.exc import DBAPIError

from payment_service.domain.errors import DatabaseNotMigrated, DatabaseUnavailable
from payment_service.statements import Statement, statements
from payment_service.watchdog import LONGEST_COMMIT, Wait

RETRYABLE = frozenset({"40001", "40P01", "55P03"})
"""SQLSTATEs after which the whole transaction may run again: serialization, deadlock, lock not available."""

STALE_STATEMENT = frozenset({"0A000", "26000", "42P05"})
"""SQLSTATEs of a session with prepared statements missing or older than the tables: a new session has neither."""

READ_ONLY = "25006"
"""The SQLSTATE of a read-only session: its server is a standby, or was read-only when the session began."""

UNAVAILABLE = ("08", READ_ONLY, "42501", "53", "57P0", "XX")
"""The first characters of SQLSTATEs about the database, not a statement: no connection, read only, no privilege, no
resources, stopping or starting, and PostgreSQL's own trouble, such as a file that it cannot extend."""

NOT_MIGRATED = frozenset({"3F000", "42703", "42P01"})
"""SQLSTATEs of a schema, column or table that does not exist."""
NOT_MIGRATED_ON_SQLITE = ("no such table", "no such column", "has no column named")


class TransactionLost(DatabaseUnavailable):
    """The database gave the transaction up; repeat the request with the same key.

    Its work is undone, or its COMMIT was sent and the answer lost: only running it again, on a new connection and
    from its first reading, can tell.
    """


class UniqueViolation(Exception):
    """Another row has this value already."""


class Connection:
    """A connection with the transaction that `begin` opens; "" for statements outside one.

    `rows`, `row` and `write` run a statement of the SQL files by its name. A write waits for the next statement with
    rows, or for COMMIT. `wait` is how long one answer of PostgreSQL's may take.
    """

    def __init__(self, checked_out: sqlalchemy.Connection, begin: str) -> None:
        self.database = checked_out.dialect.name
        self._statements = statements(self.database)
        self._checked_out = checked_out
        self._driver = checked_out.connection
        is_sqlite = self.database == "sqlite"
        self.wait: Wait | nullcontext[None] = nullcontext() if is_sqlite else Wait(self._driver.dbapi_connection)
        self._is_lost = False
        self._waiting: list[tuple[str, Any]] = [(begin, ())] if begin else []

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run a statement of SQLAlchemy Core."""
        self._flush()
        try:
            with self.wait:
                return self._checked_out.execute(statement, parameters)
        except DBAPIError as error:
            self._is_lost = error.connection_invalidated
            self._discard_if_useless(error.orig)
            meaning = _meaning(error.orig, is_lost=error.connection_invalidated)
            if meaning is None:
                raise
            raise meaning from error

    @property
    def core(self) -> sqlalchemy.Connection:
        """SQLAlchemy's own connection, for libraries that bring statements with them."""
        self._flush()
        return self._checked_out

    def rows(self, name: str, values: Mapping[str, Any]) -> Sequence[Any]:
        """Run a statement, and return its rows."""
        self.write(name, values)
        return self._flush(fetch=True)

    def row(self, name: str, values: Mapping[str, Any]) -> Any:
        """Return the only row of a statement, or None."""
        found = self.rows(name, values)
        return found[0] if found else None

    def write(self, name: str, values: Mapping[str, Any]) -> None:
        """Keep a statement without rows, to send it together with the next ones."""
        if self.database == "sqlite":
            self._waiting.append((self._statements[name].text, values))
        else:
            self._waiting.append(self._prepared(self._statements[name], values))

    def commit(self) -> None:
        """Send the waiting writes, and COMMIT. Without anything sent since BEGIN there is nothing to commit."""
        status = self._transaction_status()
        if status == TRANSACTION_STATUS_INERROR:
            raise TransactionLost  # PostgreSQL would answer this COMMIT with ROLLBACK, and without an error
        if status == TRANSACTION_STATUS_IDLE and len(self._waiting) == 1:
            self._waiting.clear()
        else:
            self._waiting.append(("COMMIT", ()))
            if isinstance(self.wait, Wait):
                self.wait.seconds = LONGEST_COMMIT
            self._flush()

    def discard(self) -> None:
        """Throw the connection away, and its pool: the other connections there may have the same fault."""
        self._is_lost = True
        self._checked_out.invalidate()
        self._checked_out.engine.dispose()

    def wait_for_ever(self) -> None:
        """Let answers take any time."""
        self.wait = nullcontext()

    def close(self) -> None:
        """Roll back uncommitted work, so that the pool gets an idle connection or none."""
        self._waiting.clear()
        if self._is_lost or self._transaction_status() == TRANSACTION_STATUS_IDLE:
            return
        try:
            with self.wait, closing(self._driver.cursor()) as cursor:
                cursor.execute("ROLLBACK")
        except (psycopg2.Error, sqlite3.Error):
            self._checked_out.invalidate()

    def _discard_if_useless(self, error: BaseException | None) -> None:
        """Throw the pool away if the server takes no writes, or is silent: all its connections have the same fault."""
        is_read_only = getattr(error, "sqlite_errorname", "").startswith("SQLITE_READONLY")
        is_silent = isinstance(self.wait, Wait) and self.wait.is_cut
        if is_read_only or is_silent or _sqlstate(error) == READ_ONLY:
            self.discard()

    def _transaction_status(self) -> int:
        driver: Any = self._driver.dbapi_connection
        if self.database == "sqlite":
            return TRANSACTION_STATUS_INTRANS if driver.in_transaction else TRANSACTION_STATUS_IDLE
        return int(driver.get_transaction_status())

    def _prepared(self, statement: Statement, values: Mapping[str, Any]) -> tuple[str, Any]:
        """Return the statement as this session takes it. Behind a pooler the next one may run in another session."""
        known = self._checked_out.info.get("prepared", self)
        if known is self:
            known = self._checked_out.info["prepared"] = set() if self._has_own_session() else None
        if known is None:
            return statement.formatted, [values[name] for name in statement.places]
        if statement.name not in known:
            self._send([(f"PREPARE {statement.name} AS {statement.numbered}", ())], fetch=False)
            known.add(statement.name)
        return statement.execute, [values[name] for name in statement.names]

    def _has_own_session(self) -> bool:
        driver: Any = self._driver.dbapi_connection
        # A pooler reports a number of its own at a connect: it does not know yet which server will serve.
        found = self._send([("SELECT pg_backend_pid()", ())], fetch=True)
        return bool(found[0][0] == driver.info.backend_pid)

    def _flush(self, *, fetch: bool = False) -> Sequence[Any]:
        """Send the waiting statements. Return the rows of the last one."""
        if not self._waiting:
            return ()
        waiting, self._waiting = self._waiting, []
        if self.database == "postgresql" and len(waiting) > 1:
            texts, values = zip(*waiting, strict=True)
            waiting = [("; ".join(texts), tuple(chain.from_iterable(values)))]
        return self._send(waiting, fetch=fetch)

    def _send(self, messages: Sequence[tuple[str, Any]], *, fetch: bool) -> Sequence[Any]:
        cursor = self._driver.cursor()
        try:
            with closing(cursor), self.wait:
                for text, values in messages:
                    cursor.execute(text, values)
                return cursor.fetchall() if fetch else ()
        except (psycopg2.Error, sqlite3.Error) as error:
            is_lost = self._checked_out.dialect.is_disconnect(error, self._driver, cursor)  # type: ignore[arg-type]
            if is_lost or _sqlstate(error) in STALE_STATEMENT:
                self._is_lost = True
                self._checked_out.invalidate(error)
            meaning = _meaning(error, is_lost=self._is_lost)
            self._discard_if_useless(error)
            if meaning is None:
                raise
            raise meaning from error


def _sqlstate(error: BaseException | None) -> str:
    return getattr(error, "pgcode", None) or ""


def _meaning(error: BaseException | None, *, is_lost: bool) -> Exception | None:
    """Return the service's error for a driver's error; None for faults of our own making, such as a broken CHECK."""
    code, text = _sqlstate(error), str(error).partition("\n")[0]
    if is_lost or code in RETRYABLE:
        return TransactionLost()
    if code in NOT_MIGRATED or (isinstance(error, sqlite3.Error) and any(w in text for w in NOT_MIGRATED_ON_SQLITE)):
        return DatabaseNotMigrated()
    if isinstance(error, psycopg2.OperationalError | sqlite3.OperationalError) or code.startswith(UNAVAILABLE):
        return DatabaseUnavailable()
    is_unique = code == "23505" or getattr(error, "sqlite_errorname", "") in {
        "SQLITE_CONSTRAINT_UNIQUE",
        "SQLITE_CONSTRAINT_PRIMARYKEY",
    }
    return UniqueViolation(text) if is_unique else None
