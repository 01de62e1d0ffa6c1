"""Loopback ports for servers that tests start."""

import secrets
import socket
from contextlib import suppress


def free_port() -> int:
    """A loopback port that nobody listens on just now.

    It is below those that Linux gives to connections by itself (from 32768): none can take it before its server does,
    and whoever asks in vain whether that listens yet is never connected to himself.
    """
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def listens(port: int) -> bool:
    """Whether connections to the loopback port are accepted."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
