"""Limits on waits for PostgreSQL: a thread cuts a connection if the server owes an answer for too long.

A server that is frozen and not dead acknowledges every byte and answers none. Then neither its own time-outs nor TCP's
end the wait of a client, and libpq has none for answers.
"""

import os
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import structlog

from payment_service import clock

log = structlog.get_logger(__name__)

LONGEST_WAIT = 5.0
"""Seconds for one answer: a server that lives ends each statement after 3, see `statement_timeout`."""

LONGEST_COMMIT = 15.0
"""Seconds for the answer to a COMMIT, to which no time-out of the server's applies. It may wait for a standby, and a
server that we give up may keep the COMMIT all the same: a caller that gives up early does not know the result."""

LOOK = 0.1
"""Seconds between two looks at the waits."""


class Wait:
    """A wait for an answer of psycopg2's `connection`, as a context. `is_cut`: one was too long, and was ended."""

    __slots__ = ("began_at", "connection", "ends_at", "is_cut", "seconds")

    def __init__(self, connection: Any, seconds: float = LONGEST_WAIT) -> None:
        self.connection = connection
        self.seconds = seconds
        self.began_at = self.ends_at = 0.0
        self.is_cut = False

    def __enter__(self) -> Self:
        """Begin to wait."""
        self.began_at = clock.monotonic()
        self.ends_at = self.began_at + self.seconds
        with _watched.lock:
            _watched.waits.add(self)
            if not _watched.is_looked_at:
                _watched.look()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the wait: the answer is there, or the connection is gone."""
        with _watched.lock:  # while a connection is cut no other thread closes it
            _watched.waits.discard(self)


class _Watched:
    """The waits of this process, and whether a thread looks at them: it starts with the first wait."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waits: set[Wait] = set()
        self.is_looked_at = False

    def look(self) -> None:
        with suppress(RuntimeError):  # no thread can be started: the next wait tries again
            threading.Thread(target=self._run, name="watchdog", daemon=True).start()
            self.is_looked_at = True

    def _run(self) -> None:
        pause = threading.Event()
        due = clock.monotonic() + LOOK
        while True:
            pause.wait(LOOK)
            with self.lock:
                now = clock.monotonic()
                late = max(0.0, now - due)
                due = now + LOOK
                for wait in list(self.waits):
                    # While this process stood still, perhaps with its whole machine, it could not read an answer.
                    wait.ends_at += min(late, now - wait.began_at)
                    if wait.ends_at < now:
                        self._end(wait)

    def _end(self, wait: Wait) -> None:
        self.waits.discard(wait)
        wait.is_cut = True
        _cut(wait.connection)
        log.warning("database.silent", seconds=wait.seconds)


def longest_commit() -> float:
    """Return for how many seconds the oldest unanswered COMMIT of this process has waited, 0 without one."""
    with _watched.lock:
        ends = [wait.ends_at for wait in _watched.waits if wait.seconds == LONGEST_COMMIT]
    return max(0.0, clock.monotonic() + LONGEST_COMMIT - min(ends)) if ends else 0.0


def _cut(connection: Any) -> None:
    """Shut a connection down: the thread that waits for it sees a server that has closed it."""
    with suppress(OSError, connection.InterfaceError):
        mirror = socket.socket(fileno=connection.fileno())  # no new number: all may be in use
        try:
            mirror.shutdown(socket.SHUT_RDWR)
        finally:
            mirror.detach()


_watched = _Watched()


def _begin_anew() -> None:
    """Begin anew in a forked process, which has only one thread and no waits yet."""
    global _watched  # noqa: PLW0603 - a fork may have copied a lock that is held
    _watched = _Watched()


os.register_at_fork(after_in_child=_begin_anew)
