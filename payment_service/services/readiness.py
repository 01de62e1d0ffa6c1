"""Readiness: whether this process can do its work."""

import socket
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future, wait
from threading import Lock, Thread

from payment_service.domain.errors import DatabaseNotMigrated, DatabaseUnavailable
from payment_service.repositories import schema
from payment_service.services.dependencies import Dependencies

PATIENCE = 1.0
"""Seconds for all brokers' ports together to accept a connection, the look-up of their names included."""

Address = tuple[str, int]


class Readiness:
    """The checks by name: the database takes what is written, its tables are ours, brokers listen.

    Newer tables pass, too, where they say so: during a rollout the previous release serves on the tables of the next. A
    broker without addresses is switched off and passes; one of several addresses is enough.
    """

    def __init__(self, deps: Dependencies, migration_head: str, brokers: Mapping[str, Collection[Address]]) -> None:
        self._deps = deps
        self._head = migration_head
        self._brokers = brokers
        self._ports = _PortProbes()

    def checks(self, *, with_brokers: bool) -> dict[str, bool | None]:
        """The result of each check. Without `with_brokers` no broker is asked; those that are switched on are None."""
        brokers = self._listening() if with_brokers else self._unasked()
        return {**self._database(), **brokers}

    def _database(self) -> dict[str, bool]:
        """Whether the database answers and may be written to, and whether its tables are those of this release."""
        is_migrated = False
        try:
            with self._deps.database.reading() as connection:
                is_migrated = schema.allows(connection, self._head)
                schema.require_writable(connection)
        except DatabaseNotMigrated:
            return {"database": True, "migrations": False}
        except DatabaseUnavailable:
            return {"database": False, "migrations": is_migrated}
        return {"database": True, "migrations": is_migrated}

    def _unasked(self) -> dict[str, bool | None]:
        return {name: None if addresses else True for name, addresses in self._brokers.items()}

    def _listening(self) -> dict[str, bool | None]:
        heard = self._ports.listening(address for addresses in self._brokers.values() for address in addresses)
        return {name: not addresses or not heard.isdisjoint(addresses) for name, addresses in self._brokers.items()}


def require_writable(deps: Dependencies) -> None:
    """Raise DatabaseUnavailable where nothing can be written, for work that may find nothing to write."""
    with deps.database.reading() as connection:
        schema.require_writable(connection)


class _PortProbes:
    """Connects to ports side by side, at most one thread for each port.

    A port that never answers, or whose name look-up hangs, holds one thread however often readiness is asked.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._probes: dict[Address, Future[bool]] = {}

    def listening(self, addresses: Iterable[Address]) -> set[Address]:
        """The ports that accept a connection within PATIENCE."""
        with self._lock:
            probes = {address: self._probe(address) for address in addresses}
        wait(probes.values(), timeout=PATIENCE)
        return {address for address, probe in probes.items() if probe.done() and probe.result()}

    def _probe(self, address: Address) -> Future[bool]:
        probe = self._probes.get(address)
        if probe is None or probe.done():
            probe = self._probes[address] = Future()
            # Not a pool's thread: a process that stops would wait for its end.
            Thread(target=_connect, args=(address, probe), name="readiness", daemon=True).start()
        return probe


def _connect(address: Address, probe: Future[bool]) -> None:
    try:
        socket.create_connection(address, PATIENCE).close()
    except (OSError, UnicodeError):  # UnicodeError: the text cannot be a host name
        probe.set_result(False)
    else:
        probe.set_result(True)
