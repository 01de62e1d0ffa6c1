"""Readiness: the checks that tell whether this process can do its work."""

import socket
from collections.abc import Callable, Collection, Hashable, Mapping
from concurrent.futures import Future, wait
from functools import partial
from threading import Lock, Thread
from typing import Generic, TypeVar

from payment_service import clock
from payment_service.domain.errors import DatabaseNotMigrated, DatabaseUnavailable
from payment_service.gateways.base import has_credentials
from payment_service.repositories import privileges, schema
from payment_service.services.dependencies import Dependencies
from payment_service.watchdog import longest_commit

PATIENCE = 1.0
"""Seconds for all brokers' ports together to accept a connection, the look-up of their names included."""

DATABASE_PATIENCE = 1.2
"""Seconds for the database to answer, and for a COMMIT that is under way. A connection to a server that is frozen takes
longer to give up."""

SILENT = {"database": False, "migrations": False}

Address = tuple[str, int]
Result = TypeVar("Result")


class Readiness:
    """The checks by name: the database accepts writes, its tables are ours, brokers listen.

    Newer tables also pass if they allow this release: during a rollout the previous release serves on the tables of the
    next. A broker without addresses is switched off and passes; one of several addresses is enough.
    """

    def __init__(self, deps: Dependencies, migration_head: str, brokers: Mapping[str, Collection[Address]]) -> None:
        self._deps = deps
        self._head = migration_head
        self._brokers = brokers
        self._databases: _Probes[dict[str, bool]] = _Probes()
        self._ports: _Probes[bool] = _Probes()

    def checks(self, *, with_brokers: bool) -> dict[str, bool | None]:
        """Return the result of each check. Without `with_brokers` the brokers that are switched on are None."""
        ends_at = clock.monotonic() + DATABASE_PATIENCE
        database = self._databases.start("database", self._database)
        brokers = self._listening() if with_brokers else self._unasked()
        wait([database], timeout=max(0.0, ends_at - clock.monotonic()))
        has_answered = database.done() and not database.cancelled()
        return {**(database.result() if has_answered else SILENT), **brokers}

    def gateways(self) -> dict[str, bool]:
        """Return whether each gateway with credentials accepted ours when this process last asked it.

        It decides nothing: reads, replays and the payments of other gateways need none of them.
        """
        return {name: gateway.accepts_us for name, gateway in self._deps.gateways if has_credentials(gateway)}

    def _database(self) -> dict[str, bool]:
        """Check whether the database answers and accepts writes, and whether its tables are those of this release."""
        is_migrated = False
        try:
            with self._deps.database.reading() as connection:
                is_migrated = schema.allows(connection, self._head)
                schema.require_writable(connection)
        except DatabaseNotMigrated:
            return {"database": True, "migrations": False}
        except DatabaseUnavailable:
            return {"database": False, "migrations": is_migrated}
        # A disk may take no COMMIT, while the server reads and has sent none to a standby.
        return {"database": longest_commit() < DATABASE_PATIENCE, "migrations": is_migrated}

    def _unasked(self) -> dict[str, bool | None]:
        return {name: None if addresses else True for name, addresses in self._brokers.items()}

    def _listening(self) -> dict[str, bool | None]:
        asked = {address for addresses in self._brokers.values() for address in addresses}
        probes = {address: self._ports.start(address, partial(_accepts, address)) for address in asked}
        wait(probes.values(), timeout=PATIENCE)
        heard = {
            address for address, probe in probes.items() if probe.done() and not probe.cancelled() and probe.result()
        }
        return {name: not addresses or not heard.isdisjoint(addresses) for name, addresses in self._brokers.items()}


def require_writable(deps: Dependencies) -> None:
    """Raise DatabaseUnavailable if the database takes no writes, for work that may find nothing to write."""
    with deps.database.reading() as connection:
        schema.require_writable(connection)


def may_rewrite_journal(deps: Dependencies) -> bool:
    """Return whether this role may change rows that the service only adds: on PostgreSQL only the tables' owner may."""
    with deps.database.reading() as connection:
        return privileges.may_rewrite_journal(connection)


class _Probes(Generic[Result]):
    """Probes that may take long, at most one thread for each name.

    A port that never answers, or a name look-up that hangs, holds one thread however often readiness is asked.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._probes: dict[Hashable, Future[Result]] = {}

    def start(self, name: Hashable, look: Callable[[], Result]) -> Future[Result]:
        """Return the open probe of this name, or start a new one."""
        with self._lock:
            probe = self._probes.get(name)
            if probe is None or probe.done():
                probe = self._probes[name] = Future()
                # Not a pool's thread: a process that stops would wait for its end.
                thread = Thread(target=_fulfil, args=(probe, look), name="readiness", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the system has no thread left
                    probe.cancel()
                    probe.set_running_or_notify_cancel()  # or its caller waits in vain
        return probe


def _fulfil(probe: Future[Result], look: Callable[[], Result]) -> None:
    try:
        probe.set_result(look())
    except Exception as error:  # noqa: BLE001 - the caller of result() raises it
        probe.set_exception(error)


def _accepts(address: Address) -> bool:
    try:
        socket.create_connection(address, PATIENCE).close()
    except (OSError, UnicodeError):  # UnicodeError: the text cannot be a host name
        return False
    return True
