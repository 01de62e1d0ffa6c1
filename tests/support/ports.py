"""Loopback ports for servers that tests start."""

import secrets
import socket
from contextlib import suppress


def free_port() -> int:
    """Return a loopback port that no process listens on just now.

    It is below the ports that Linux gives to connections on its own (from 32768): none can take it before its server
    does, and a client that asks too early never connects to its own port.
    """
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def listens(port: int) -> bool:
    """Return whether connections to the loopback port are accepted."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
