"""Wakes idle relays: PostgreSQL notifies of new deliveries; on other databases the relays poll often."""

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
"""The channel that the trigger on the table of the same name notifies."""

POLL_NOTIFIED = 1.0
"""Seconds between polls with notifications: retries fall due without one, and one may be lost."""
POLL_BLIND = 0.1
"""Seconds between polls without them: on SQLite, through a pooler, without the trigger, and until the listener is
connected again."""

ASK_AFTER = 5.0
"""Seconds of silence after which the server is asked for a sign of life: a frozen one is silent, too."""


HAS_TRIGGER = """
    SELECT to_regclass('outbox_deliveries') IS NULL OR EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = to_regclass('outbox_deliveries') AND tgname = 'outbox_deliveries_inserted'
    )
"""
"""False for tables without the trigger, because their engine takes none. Tables that do not exist yet get it."""


class NoNotifications(Exception):
    """A pooler gives the listening connection to other clients a moment later, or the table notifies of nothing."""


class NotificationListener:
    """One listener for all relays of a process; each waits on its own event."""

    def __init__(self, database: Database, stop: threading.Event) -> None:
        self._database = database
        self._stop = stop
        self._waiting: list[threading.Event] = []
        self.is_listening = False
        """True while notifications reach us; otherwise the waits are short."""

    def waiter(self) -> Callable[[], None]:
        """Return a function that waits for the next notification, or for the poll interval without one."""
        rung = threading.Event()
        self._waiting.append(rung)

        def wait() -> None:
            rung.wait(POLL_NOTIFIED if self.is_listening else POLL_BLIND)
            rung.clear()

        return wait

    def run(self) -> None:
        """Listen until stopped, and wake all relays at the end."""
        while self._database.engine.dialect.name == "postgresql" and not self._stop.is_set():
            try:
                self._listen()
            except NoNotifications:
                log.info("relay.polling", interval=POLL_BLIND)
                break
            except (DBAPIError, psycopg2.Error, PoolTimeout, OSError) as error:
                log.warning("relay.not_listening", reason=type(error).__name__)
            self.is_listening = False
            self._ring()  # for relays that still wait for a notification
            self._stop.wait(POLL_NOTIFIED)
        self._stop.wait()
        self._ring()

    def _listen(self) -> None:
        with self._database.engine.connect() as connection:
            driver = connection.connection.driver_connection
            connection.detach()  # it is never returned, so it must not count in the pool
            assert isinstance(driver, Driver)  # noqa: S101 - the engine uses psycopg2, see Settings
            driver.autocommit = True
            # A pooler invents the number that it gives at connect: it has not chosen a server connection yet.
            with Wait(driver):
                if connection.exec_driver_sql("SELECT pg_backend_pid()").scalar() != driver.get_backend_pid():
                    raise NoNotifications
                if not connection.exec_driver_sql(HAS_TRIGGER).scalar():
                    raise NoNotifications
                connection.exec_driver_sql(f"LISTEN {CHANNEL}")
            self.is_listening = True
            self._ring()  # for deliveries committed before we listened
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
