"""Can this process work? Asked by whoever sends it requests."""

import socket
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future, wait
from threading import Lock, Thread

from payment_service.domain.errors import DatabaseUnavailable
from payment_service.repositories import schema
from payment_service.services.runtime import Runtime

PATIENCE = 1.0
"""Seconds that all brokers' ports together may take to accept a connection, the look-up of their names included."""

Address = tuple[str, int]


class Readiness:
    """The checks by name: the database answers, its tables are ours, brokers listen.

    Newer tables are well, too: while a release is rolled out, the previous one serves on the tables of the next. A
    broker without addresses is switched off, and well; one of several addresses is enough.
    """

    def __init__(self, runtime: Runtime, migration_head: str, brokers: Mapping[str, Collection[Address]]) -> None:
        self._runtime = runtime
        self._head = migration_head
        self._brokers = brokers
        self._ports = _Ports()

    def checks(self, *, with_brokers: bool) -> dict[str, bool | None]:
        """Which part can work. Brokers that do not matter are not asked, and None where they are switched on."""
        version = self._version()
        brokers = self._listening() if with_brokers else self._unasked()
        return {"database": version is not None, "migrations": _reaches(version, self._head), **brokers}

    def _version(self) -> str | None:
        """The schema's version, "" where there is none, None where the database does not answer."""
        try:
            with self._runtime.database.reading() as connection:
                return schema.version(connection)
        except DatabaseUnavailable:
            return None

    def _unasked(self) -> dict[str, bool | None]:
        return {name: None if addresses else True for name, addresses in self._brokers.items()}

    def _listening(self) -> dict[str, bool | None]:
        heard = self._ports.listening(address for addresses in self._brokers.values() for address in addresses)
        return {name: not addresses or not heard.isdisjoint(addresses) for name, addresses in self._brokers.items()}


def _reaches(version: str | None, head: str) -> bool:
    """Migrations are numbered: a greater number is a later release's."""
    return version == head or (version is not None and version.isdecimal() and int(version) > int(head))


class _Ports:
    """Asks ports side by side whether they listen.

    Each is asked once at a time: who comes meanwhile waits for the same answer. So one that never answers, or whose
    name nobody looks up, holds one thread, however often readiness is asked.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._questions: dict[Address, Future[bool]] = {}

    def listening(self, addresses: Iterable[Address]) -> set[Address]:
        """Those that have said so within PATIENCE."""
        questions = {address: self._question(address) for address in addresses}
        wait(questions.values(), timeout=PATIENCE)
        return {address for address, question in questions.items() if question.done() and question.result()}

    def _question(self, address: Address) -> Future[bool]:
        with self._lock:
            question = self._questions.get(address)
            if question is None or question.done():
                question = Future()
                # Not a pool's thread, for whose end a process that stops would wait.
                Thread(target=_ask, args=(address, question), name="readiness", daemon=True).start()
                self._questions[address] = question
            return question


def _ask(address: Address, question: Future[bool]) -> None:
    try:
        socket.create_connection(address, PATIENCE).close()
    except (OSError, UnicodeError):  # the latter: a text that cannot be a name
        question.set_result(False)
    else:
        question.set_result(True)
