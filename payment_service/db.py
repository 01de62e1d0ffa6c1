"""Both databases: engine set-up, connections, and `atomic()`, the only place that commits.

PostgreSQL serialises decisions about a row with `SELECT … FOR UPDATE`. On SQLite that clause compiles to nothing, so
a writing transaction begins with BEGIN IMMEDIATE there: the database's write lock takes the row lock's place.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, MetaData, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from payment_service import clock
from payment_service import connection_checks as checks
from payment_service.connection import Connection, TransactionLost
from payment_service.domain.errors import DatabaseUnavailable
from payment_service.failpoints import failpoint

log = structlog.get_logger(__name__)

P = ParamSpec("P")
Result = TypeVar("Result")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

db = SQLAlchemy(metadata=metadata)

ATTEMPTS = 3
"""Runs of one transaction before the caller gets "come back": contention that outlasts three is not chance."""

POSTGRESQL_OPTIONS = (
    "-c lock_timeout=1000"  # a queue of 50 short transactions on one payment fits, a hung holder does not
    " -c statement_timeout=3000"
    " -c idle_in_transaction_session_timeout=5000"  # frees the locks of a stopped process
    " -c default_transaction_isolation=read\\ committed"
    " -c timezone=UTC"
)
"""The options of every connection. A pooler does not pass them on: deploy/pgbouncer/role.sql sets them for a role."""

SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA busy_timeout=5000",
    "PRAGMA synchronous=FULL",  # NORMAL may lose the last commits at power loss
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
)


def engine_options(database_url: str, pool_size: int) -> dict[str, Any]:
    """Return Flask-SQLAlchemy's engine options for a database."""
    options: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": 1.5,
        "hide_parameters": True,  # values belong to callers, and not into an error text in the log
    }
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        if url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        return options
    return options | {
        # The service sends BEGIN and COMMIT itself, together with the statements that follow and precede them.
        "isolation_level": "AUTOCOMMIT",
        "pool_recycle": 1800,
        "use_native_hstore": False,  # otherwise each new connection spends three round trips on a type
        "executemany_mode": "values_plus_batch",  # a hundred UPDATEs travel in one round trip
        "connect_args": _connect_args(url),
    }


def _connect_args(url: URL) -> dict[str, Any]:
    """Return the arguments of every connection; the address's own win, except for the encoding that we write in."""
    own = {
        "connect_timeout": 2,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,  # milliseconds; keepalives do not run while our bytes lie unacknowledged
    }
    options = url.query.get("options", ())
    return {
        **{name: value for name, value in own.items() if name not in url.query},
        "options": " ".join((POSTGRESQL_OPTIONS, *((options,) if isinstance(options, str) else options))),
        "client_encoding": "utf8",
    }


def prepare_engine(engine: Engine) -> None:
    """Attach both drivers' needs: SQLite's transaction mode and pragmas, the ping of idle connections."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "do_connect", partial(checks.let_write_again, Path(engine.url.database or "")))
        event.listen(engine, "connect", _configure_sqlite)
    else:
        event.listen(engine, "connect", checks.require_utf8)
        event.listen(engine, "first_connect", checks.warn_of_weakness)
        event.listen(engine, "checkin", checks.note_checkin)
        event.listen(engine, "checkout", checks.ping_when_idle)


def require_utf8(engine: Engine) -> None:
    """Raise DatabaseNotUtf8, for a process that starts. A silent database is checked once it answers."""
    if engine.dialect.name != "sqlite":
        with suppress(DBAPIError):
            engine.connect().close()


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own implicit BEGIN loses updates without an error
    for pragma in SQLITE_PRAGMAS:
        connection.execute(pragma)


BEGIN = {"postgresql": "BEGIN", "sqlite": "BEGIN IMMEDIATE"}
BEGIN_SNAPSHOT = {"postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ", "sqlite": "BEGIN"}


class Database:
    """One database for the services: transactions that commit here or not at all, and plain reading."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._open = threading.local()

    @property
    def in_transaction(self) -> bool:
        """True if this thread holds a transaction or connection: never while it calls a gateway or waits."""
        return bool(getattr(self._open, "depth", 0))

    @contextmanager
    def atomic(self, name: str) -> Iterator[Connection]:
        """Open a transaction that commits when the block ends and rolls back when it raises.

        `name` names the phase and its failpoints. Raises TransactionLost if running the whole block again may succeed,
        DatabaseUnavailable if it will not.
        """
        with self._connection(BEGIN[self.engine.dialect.name]) as connection:
            yield connection
            failpoint(f"{name}.before_commit")
            connection.commit()
        failpoint(f"{name}.after_commit")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection for looking only: it takes no lock and opens no transaction."""
        with self._connection("") as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Open a connection that shows all its queries one moment of the database."""
        with self._connection(BEGIN_SNAPSHOT[self.engine.dialect.name]) as connection:
            yield connection
            connection.commit()

    @contextmanager
    def _connection(self, begin: str) -> Iterator[Connection]:
        self._open.depth = getattr(self._open, "depth", 0) + 1
        try:
            try:
                checked_out = self.engine.connect()
            except (PoolTimeout, DBAPIError) as error:
                raise DatabaseUnavailable from error
            with checked_out:
                connection = Connection(checked_out, begin)
                try:
                    yield connection
                finally:
                    connection.close()
        finally:
            self._open.depth -= 1

    def run(
        self, name: str, phase: Callable[Concatenate[Connection, P], Result], *values: P.args, **named: P.kwargs
    ) -> Result:
        """Run `phase(connection, ...)` in a transaction of this name until the database keeps it. Return its result.

        The phase begins by reading, so that it finds its own work if only the answer to COMMIT was lost. Raises
        DatabaseUnavailable if no run can have been committed, TransactionLost if one may have been.
        """
        attempt = 1
        while True:
            try:
                with self.atomic(name) as connection:
                    return phase(connection, *values, **named)
            except DatabaseUnavailable as error:
                attempt = next_attempt(error, attempt)


def next_attempt(error: DatabaseUnavailable, attempt: int) -> int:
    """Return the number of the next run of a phase after run number `attempt` has failed, and pause before it.

    Raises if there must be none: DatabaseUnavailable if no run can have been committed, TransactionLost if one may have
    been.
    """
    if not isinstance(error, TransactionLost):
        if attempt > 1:
            raise TransactionLost from error.__cause__
        raise error
    log.info("database.transaction_lost", attempt=attempt, cause=str(error.__cause__).partition("\n")[0])
    if attempt == ATTEMPTS:
        raise error
    clock.sleep(clock.jitter(0.05 * attempt))
    return attempt + 1
