"""What travels to PostgreSQL together: BEGIN with the first statement of a transaction, its last writes with COMMIT.

A round trip costs both sides more than most of these statements. Between `opened()` and its end the driver begins
nothing by itself; what gives no rows is held back until something follows it, at the latest COMMIT, in the same message
and in the order it was written. PostgreSQL runs one after the other and stops at the first that fails: nothing is
committed that was not all done. What fails is told where the message is sent.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import Connection, Engine, ExceptionContext, event

Row = Sequence[Any]
_HELD, _OPENED = "outgoing", "opened"
Statement = tuple[str, tuple[Any, ...]]
_BEGIN: Statement = ("BEGIN", ())
_MISTAKEN = frozenset({"0A000", "26000", "42P05"})
"""SQLSTATEs of a session that knows other statements than it was taught: a column's type has changed, or it forgot."""


def prepare(engine: Engine) -> None:
    """Teach an engine of PostgreSQL's to end such transactions, and to send what is held back before anything else.

    Before its first connection: what that learns holds for all.
    """
    dialect: Any = engine.dialect
    dialect.do_commit = partial(_commit, dialect.do_commit)
    dialect.do_rollback = partial(_roll_back, dialect.do_rollback)
    event.listen(engine, "connect", partial(_send_held_first, dialect), once=True)
    event.listen(engine, "handle_error", _give_up_mistaken)


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Each statement of `connection` stands for itself; on SQLite as the driver has it.

    By the driver's own switch: SQLAlchemy's AUTOCOMMIT ends with a round trip, for a SET that holds for the session.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.autocommit = True
    try:
        yield
    finally:
        if not driver.closed:
            driver.autocommit = False


@contextmanager
def opened(connection: Connection) -> Iterator[None]:
    """A transaction of `connection` whose BEGIN waits for its first statement; on SQLite the driver's own."""
    if connection.dialect.name != "postgresql":
        yield
        return
    info = connection.info
    info[_HELD], info[_OPENED] = [_BEGIN], True
    try:
        with alone(connection):
            try:
                yield
            finally:
                _leave_idle(connection)
    finally:
        if not connection.invalidated:  # else its place in the pool is another's by now, with words of their own
            for name in (_HELD, _OPENED):
                info.pop(name, None)


def _leave_idle(connection: Connection) -> None:
    """After a COMMIT that was refused SQLAlchemy does not roll back: an aborted transaction is not for the pool."""
    if connection.invalidated:
        return
    try:
        connection.dialect.do_rollback(connection.connection)
    except psycopg2.Error:
        connection.invalidate()


def send(connection: Connection, text: str, values: tuple[Any, ...], *, fetch: bool) -> Sequence[Row]:
    """Send a statement of the driver's style, after what is held back; its rows where there are any to `fetch`.

    By the driver itself, whose errors become SQLAlchemy's: a result of SQLAlchemy's describes every column each time.
    """
    held = connection.info.pop(_HELD, None) or ()
    cursor = connection.connection.cursor()
    try:
        _execute(connection, cursor, [*held, (text, values)])
        return cursor.fetchall() if fetch else ()
    finally:
        cursor.close()


def _execute(connection: Connection, cursor: Any, statements: Sequence[Statement]) -> None:
    text, values = _joined(statements)
    try:
        cursor.execute(text, values)
    except Exception as error:  # noqa: BLE001 - raised again as whatever it means
        connection._handle_dbapi_exception(error, text, values, cursor, None)  # noqa: SLF001 - there is no public way


def hold(connection: Connection, text: str, values: tuple[Any, ...]) -> None:
    """Hold back a statement that gives no rows; where no transaction was opened here it is sent at once."""
    if _OPENED not in connection.info:
        send(connection, text, values, fetch=False)
        return
    connection.info.setdefault(_HELD, []).append((text, values))


def _joined(statements: Sequence[Statement]) -> Statement:
    return "; ".join([text for text, _ in statements]), tuple([each for _, values in statements for each in values])


def _send_held_first(dialect: Any, *_: Any) -> None:
    """From the first connection on, whose own first statements the dialect sends before it can tell whose they are.

    Not by an event of each statement: whoever listens to one makes SQLAlchemy ask for listeners at every turn.
    """
    dialect.do_execute = partial(_execute_after_held, dialect.do_execute)
    dialect.do_executemany = partial(_after_held, dialect.do_executemany)
    dialect.do_execute_no_params = partial(_after_held, dialect.do_execute_no_params)


def _execute_after_held(plainly: Any, cursor: Any, statement: str, parameters: Any, context: Any) -> None:
    if context.root_connection.info.get(_HELD) == [_BEGIN]:
        del context.root_connection.info[_HELD]
        plainly(cursor, f"BEGIN; {statement}", parameters, context)
    else:
        _after_held(plainly, cursor, statement, parameters, context)


def _after_held(plainly: Any, cursor: Any, *words: Any) -> None:
    """Any other way to send something, the last of whose `words` is SQLAlchemy's context."""
    if held := words[-1].root_connection.info.pop(_HELD, None):
        cursor.execute(*_joined(held))
    plainly(cursor, *words)


def _give_up_mistaken(context: ExceptionContext) -> None:
    """A session that would fail again and again counts as lost, and all that learnt with it: the next learn anew."""
    if getattr(context.original_exception, "pgcode", None) in _MISTAKEN:
        context.is_disconnect = True


def _commit(plainly: Callable[[Any], None], connection: Any) -> None:
    if not connection.autocommit:
        plainly(connection)
        return
    held = connection.info.pop(_HELD, None)
    if held == [_BEGIN]:
        return  # nothing was ever said
    if held or connection.get_transaction_status() != TRANSACTION_STATUS_IDLE:
        with connection.cursor() as cursor:
            cursor.execute(*_joined([*(held or ()), ("COMMIT", ())]))


def _roll_back(plainly: Callable[[Any], None], connection: Any) -> None:
    if not connection.autocommit:
        plainly(connection)
        return
    connection.info.pop(_HELD, None)
    if connection.get_transaction_status() != TRANSACTION_STATUS_IDLE:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")
