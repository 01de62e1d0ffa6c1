"""Waking idle relays: PostgreSQL says when something was put into the outbox, elsewhere they look often."""

import selectors
import threading
from collections.abc import Callable

import psycopg2
import structlog
from psycopg2.extensions import connection as Driver  # noqa: N812 - it is a class
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from payment_service import clock
from payment_service.connection_checks import PING_WAIT
from payment_service.db import Database
from payment_service.watchdog import Wait

log = structlog.get_logger(__name__)

CHANNEL = "outbox_deliveries"
"""What the trigger on the table of the same name notifies."""

POLL_NOTIFIED = 1.0
"""Seconds between looks where notifications come: retries fall due without one, and one may be lost."""
POLL_BLIND = 0.1
"""Seconds between looks where none come: on SQLite, through a pooler, and until PostgreSQL is listened to again."""

ASK_AFTER = 5.0
"""Seconds of silence after which the server is asked whether it still lives: a frozen one is silent, too."""


class Pooled(Exception):
    """A pooler stands between: what listens there is a connection that others use a moment later."""


class NotificationListener:
    """One listener for all relays of a process; each waits on an event of its own."""

    def __init__(self, database: Database, stop: threading.Event) -> None:
        self._database = database
        self._stop = stop
        self._waiting: list[threading.Event] = []
        self.is_listening = False
        """Whether notifications reach us; while they do not, the waits are short."""

    def waiter(self) -> Callable[[], None]:
        """A function that waits for the next notification, or for as long as is wise without one."""
        rung = threading.Event()
        self._waiting.append(rung)

        def wait() -> None:
            rung.wait(POLL_NOTIFIED if self.is_listening else POLL_BLIND)
            rung.clear()

        return wait

    def run(self) -> None:
        """Listen until stopped, and wake everybody at the end."""
        while self._database.engine.dialect.name == "postgresql" and not self._stop.is_set():
            try:
                self._listen()
            except Pooled:
                log.info("relay.polling", interval=POLL_BLIND)
                break
            except (DBAPIError, psycopg2.Error, PoolTimeout, OSError) as error:
                log.warning("relay.not_listening", reason=type(error).__name__)
            self.is_listening = False
            self._ring()  # for whoever still waits for a bell that no longer rings
            self._stop.wait(POLL_NOTIFIED)
        self._stop.wait()
        self._ring()

    def _listen(self) -> None:
        with self._database.engine.connect() as connection:
            driver = connection.connection.driver_connection
            connection.detach()  # it is kept for as long as we live: the pool is for those who bring theirs back
            assert isinstance(driver, Driver)  # noqa: S101 - the engine speaks through psycopg2, see Settings
            driver.autocommit = True
            # A pooler says a number of its own when somebody connects, since it does not know yet who will serve them.
            with Wait(driver):
                if connection.exec_driver_sql("SELECT pg_backend_pid()").scalar() != driver.get_backend_pid():
                    raise Pooled
                connection.exec_driver_sql(f"LISTEN {CHANNEL}")
            self.is_listening = True
            self._ring()  # for whatever was committed while nobody listened
            self._hear(driver)

    def _hear(self, driver: Driver) -> None:
        ask_at = clock.monotonic() + ASK_AFTER
        with selectors.DefaultSelector() as selector:
            selector.register(driver, selectors.EVENT_READ)
            while not self._stop.is_set():
                if selector.select(POLL_NOTIFIED):
                    driver.poll()
                elif clock.monotonic() > ask_at:
                    with Wait(driver, PING_WAIT), driver.cursor() as cursor:
                        cursor.execute("SELECT 1")
                else:
                    continue
                ask_at = clock.monotonic() + ASK_AFTER
                if driver.notifies:
                    driver.notifies.clear()
                    self._ring()

    def _ring(self) -> None:
        for rung in self._waiting:
            rung.set()
