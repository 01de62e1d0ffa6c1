"""The checks of a connection: when it is made, and when it is taken from the pool again."""

import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.exc import DisconnectionError

from payment_service import clock
from payment_service.domain.errors import DatabaseNotUtf8
from payment_service.watchdog import Wait

log = structlog.get_logger(__name__)

IDLE_PING_SECONDS = 1.0
"""The pool pings a connection first that lay idle this long; one in constant use does not pay the round trip."""

PING_WAIT = 1.0
"""Seconds for the answer to a ping."""


def require_utf8(connection: Any, _record: Any) -> None:
    """Refuse a new connection to a PostgreSQL database that cannot hold every text. Raises DatabaseNotUtf8."""
    encoding = connection.get_parameter_status("server_encoding")
    if encoding != "UTF8":
        log.error("database.not_utf8", database=connection.info.dbname, encoding=encoding)
        raise DatabaseNotUtf8


def let_write_again(file: Path, *_: Any) -> None:
    """Give SQLite's log and its index the file's mode: a process that opened the read-only file left them read-only."""
    for name in (f"{file.name}-wal", f"{file.name}-shm"):
        with suppress(OSError):  # they do not exist, or belong to another user
            if (beside := file.with_name(name)).stat().st_mode != file.stat().st_mode:
                beside.chmod(stat.S_IMODE(file.stat().st_mode))


def warn_of_weakness(connection: Any, _record: Any) -> None:
    """Log the settings of PostgreSQL, or of a pooler before it, that weaken the service's promises."""
    with Wait(connection), connection.cursor() as cursor:
        names = ("lock_timeout", "statement_timeout", "synchronous_commit")
        cursor.execute("SELECT current_setting(%s), current_setting(%s), current_setting(%s)", names)
        *limits, synchronous = cursor.fetchone()
    if synchronous == "off":
        log.warning("database.loses_commits", synchronous_commit=synchronous)
    if "0" in limits:
        log.warning("database.without_limits", lock_timeout=limits[0], statement_timeout=limits[1])


def note_checkin(_connection: Any, record: Any) -> None:
    """Remember since when a pooled connection lies idle."""
    record.info["idle_since"] = clock.monotonic()


def ping_when_idle(connection: Any, record: Any, _proxy: Any) -> None:
    """Ask a connection that lay idle whether it still lives. Raises DisconnectionError: the pool makes a new one."""
    idle_since = record.info.get("idle_since")
    if idle_since is None or clock.monotonic() - idle_since < IDLE_PING_SECONDS:
        return
    try:
        with Wait(connection, PING_WAIT), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except connection.Error as error:
        raise DisconnectionError from error
