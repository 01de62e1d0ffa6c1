"""Can this process work? Asked by whoever sends it requests."""

import socket
from collections.abc import Callable, Iterable, Mapping

from payment_service.domain.errors import DatabaseUnavailable
from payment_service.repositories import schema
from payment_service.services.runtime import Runtime

PATIENCE = 1.0
"""Seconds that a broker's port may take to accept a connection."""

Address = tuple[str, int]


def readiness_checks(
    runtime: Runtime, migration_head: str, brokers: Mapping[str, Iterable[Address]]
) -> Mapping[str, Callable[[], bool]]:
    """The checks by name: the database answers, its tables are ours, brokers listen.

    Newer tables are well, too: while a release is rolled out, the previous one serves on the tables of the next. A
    broker without addresses is switched off, and well.
    """
    return {
        "database": lambda: _version(runtime) is not None,
        "migrations": lambda: _reaches(_version(runtime), migration_head),
        **{name: _reachable(list(addresses)) for name, addresses in brokers.items()},
    }


def _version(runtime: Runtime) -> str | None:
    """The schema's version, "" where there is none, None where the database does not answer."""
    try:
        with runtime.database.reading() as connection:
            return schema.version(connection)
    except DatabaseUnavailable:
        return None


def _reaches(version: str | None, head: str) -> bool:
    """Migrations are numbered: a greater number is a later release's."""
    return version == head or (version is not None and version.isdecimal() and int(version) > int(head))


def _reachable(addresses: list[Address]) -> Callable[[], bool]:
    return lambda: not addresses or any(_listens(address) for address in addresses)


def _listens(address: Address) -> bool:
    try:
        socket.create_connection(address, PATIENCE).close()
    except OSError:
        return False
    return True
