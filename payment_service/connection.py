"""One database connection for one phase of work, and what the drivers' errors mean to the service.

On PostgreSQL a write waits until a statement that gives rows follows it, or COMMIT: they travel in one message, in the
order in which they were written, BEGIN with the first. PostgreSQL stops at the first one that fails. Measured over TCP
with 0.5 ms of delay, a round trip for each statement makes a charge take 1.6 times as long (1.2 to 2.6 in eight turns).
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg2
import sqlalchemy
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INERROR
from sqlalchemy import CursorResult, Executable
from sqlalchemy.exc import DBAPIError, OperationalError

from payment_service.domain.errors import DatabaseUnavailable
from payment_service.sqltypes import TO_SQLITE

RETRYABLE = frozenset({"40001", "40P01", "55P03"})
"""SQLSTATEs after which the whole transaction may run again: serialization, deadlock, lock not available."""

STALE_STATEMENT = frozenset({"0A000", "26000", "42P05"})
"""SQLSTATEs of a session whose prepared statements are missing or older than the tables: a new session has neither."""

INTERNAL_ERROR = "XX"
"""The class of SQLSTATEs of PostgreSQL's own trouble, such as a file that it cannot extend."""


class TransactionLost(DatabaseUnavailable):
    """The database gave the transaction up; repeat the request with the same key.

    Its work is undone, or its COMMIT was sent and the answer lost: only running it again, on a new connection and
    from its first reading, can tell.
    """


class UniqueViolation(Exception):
    """Another row has this value already."""


@dataclass(frozen=True)
class Statement:
    """One SQL statement: `text` with `:name` parameters, and in the other two styles with the names in their order."""

    name: str
    text: str
    numbered: str  # $1, $2, ...: a name has one number
    names: tuple[str, ...]
    formatted: str  # %s: a name stands as often as it is used
    places: tuple[str, ...]

    @cached_property
    def execute(self) -> str:
        """What runs the statement once it is prepared."""
        places = ", ".join(["%s"] * len(self.names))
        return f"EXECUTE {self.name} ({places})" if places else f"EXECUTE {self.name}"


class Connection:
    """A connection with the transaction that `begin` opens; "" for statements that stand for themselves."""

    def __init__(self, checked_out: sqlalchemy.Connection, begin: str) -> None:
        self.database = checked_out.dialect.name
        self._checked_out = checked_out
        self._driver = checked_out.connection
        self._is_lost = False
        self._waiting: list[tuple[str, Any]] = []
        if begin and self.database == "sqlite":
            self._send(begin, {}, fetch=False)
        elif begin:
            self._waiting.append((begin, ()))

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run a statement of SQLAlchemy Core."""
        self._flush()
        try:
            return self._checked_out.execute(statement, parameters)
        except DBAPIError as error:
            self._is_lost = error.connection_invalidated
            meaning = _meaning(error.orig, is_lost=self._is_lost, is_operational=isinstance(error, OperationalError))
            if meaning is None:
                raise
            raise meaning from error

    @property
    def core(self) -> sqlalchemy.Connection:
        """SQLAlchemy's own connection, for libraries that bring statements with them."""
        self._flush()
        return self._checked_out

    def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Any]:
        """Run a statement and fetch its rows, after the writes that wait."""
        if self.database == "sqlite":
            return self._send(statement.text, _on_sqlite(statement, values), fetch=True)
        return self._send(*self._joined(self._prepared(statement, values)), fetch=True)

    def write(self, statement: Statement, values: Mapping[str, Any]) -> None:
        """Run a statement that gives no rows, on PostgreSQL together with what follows it."""
        if self.database == "sqlite":
            self._send(statement.text, _on_sqlite(statement, values), fetch=False)
        else:
            self._waiting.append(self._prepared(statement, values))

    def commit(self) -> None:
        """Send what waits, and COMMIT. Where nothing was sent since BEGIN there is nothing to commit."""
        if self._is_aborted:
            raise TransactionLost  # PostgreSQL would answer this COMMIT with ROLLBACK, and without an error
        if self.database == "postgresql" and len(self._waiting) == 1 and self._is_idle:
            self._waiting.clear()
        else:
            self._send(*self._joined(("COMMIT", ())), fetch=False)

    def close(self) -> None:
        """Roll back what was not committed, so that the pool gets an idle connection or none."""
        self._waiting.clear()
        if self._is_lost or self._is_idle:
            return
        try:
            cursor = self._driver.cursor()
            cursor.execute("ROLLBACK")
            cursor.close()
        except (psycopg2.Error, sqlite3.Error):
            self._checked_out.invalidate()

    @property
    def _is_idle(self) -> bool:
        driver: Any = self._driver.dbapi_connection
        if self.database == "sqlite":
            return not driver.in_transaction
        return bool(driver.get_transaction_status() == TRANSACTION_STATUS_IDLE)

    @property
    def _is_aborted(self) -> bool:
        driver: Any = self._driver.dbapi_connection
        return self.database == "postgresql" and driver.get_transaction_status() == TRANSACTION_STATUS_INERROR

    def _flush(self) -> None:
        if self._waiting:
            self._send(*self._joined(), fetch=False)

    def _joined(self, *last: tuple[str, Any]) -> tuple[str, tuple[Any, ...]]:
        waiting, self._waiting = (*self._waiting, *last), []
        if len(waiting) == 1:
            return waiting[0]
        return "; ".join([text for text, _ in waiting]), tuple([each for _, values in waiting for each in values])

    def _prepared(self, statement: Statement, values: Mapping[str, Any]) -> tuple[str, Any]:
        """The statement as this session takes it. Behind a pooler the session is another one a moment later."""
        known = self._checked_out.info.get("prepared", self)
        if known is self:
            known = self._checked_out.info["prepared"] = set() if self._has_own_session() else None
        if known is None:
            return statement.formatted, [values[name] for name in statement.places]
        if statement.name not in known:
            self._send(f"PREPARE {statement.name} AS {statement.numbered}", (), fetch=False)
            known.add(statement.name)
        return statement.execute, [values[name] for name in statement.names]

    def _has_own_session(self) -> bool:
        driver: Any = self._driver.dbapi_connection
        # A pooler reports a number of its own when somebody connects: it does not know yet which server will serve.
        return bool(self._send("SELECT pg_backend_pid()", (), fetch=True)[0][0] == driver.info.backend_pid)

    def _send(self, text: str, values: Any, *, fetch: bool) -> Sequence[Any]:
        cursor = self._driver.cursor()
        try:
            cursor.execute(text, values)
            return cursor.fetchall() if fetch else ()
        except (psycopg2.Error, sqlite3.Error) as error:
            self._is_lost = self._checked_out.dialect.is_disconnect(error, self._driver, cursor)  # type: ignore[arg-type]
            if self._is_lost or getattr(error, "pgcode", None) in STALE_STATEMENT:
                self._is_lost = True
                self._checked_out.invalidate(error)
            operational = isinstance(error, psycopg2.OperationalError | sqlite3.OperationalError)
            meaning = _meaning(error, is_lost=self._is_lost, is_operational=operational)
            if meaning is None:
                raise
            raise meaning from error
        finally:
            cursor.close()


def _on_sqlite(statement: Statement, values: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: values[name] for name in statement.names}
    converters = {name: TO_SQLITE[type(value)] for name, value in given.items() if type(value) in TO_SQLITE}
    return given | {name: convert(given[name]) for name, convert in converters.items()}


def _meaning(error: BaseException | None, *, is_lost: bool, is_operational: bool) -> Exception | None:
    """What a driver's error means to the service; None for faults of our own making, such as a broken CHECK."""
    code = getattr(error, "pgcode", None) or ""
    if is_lost or code in RETRYABLE:
        return TransactionLost()
    if is_operational or code.startswith(INTERNAL_ERROR):
        return DatabaseUnavailable()
    is_unique = code == "23505" or getattr(error, "sqlite_errorname", "") in {
        "SQLITE_CONSTRAINT_UNIQUE",
        "SQLITE_CONSTRAINT_PRIMARYKEY",
    }
    return UniqueViolation(str(error).partition("\n")[0]) if is_unique else None
