"""A limit on the whole wait for an HTTP answer instead of on each of its packets, which `requests` cannot say."""

import http.client
import io
import socket
from typing import Any

from payment_service import clock


class DeadlineResponse(http.client.HTTPResponse):
    """An answer that has, status line to last byte, as long as the socket's time-out says at its beginning.

    For a connection class of urllib3, as its `response_class`. What comes later raises TimeoutError.
    """

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        if (seconds := sock.gettimeout()) is not None:
            self.fp = io.BufferedReader(DeadlineReader(self.fp.detach(), sock, seconds))


class DeadlineReader(io.RawIOBase):
    """Reads a socket until a moment instead of a while: an answer that drips cannot hold a thread for ever."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, seconds: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = clock.monotonic() + seconds

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """What has come, waiting for it until the deadline; TimeoutError then."""
        remaining = self._deadline - clock.monotonic()
        if remaining <= 0:
            raise TimeoutError("the answer took too long as a whole")
        self._sock.settimeout(remaining)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close what is read from as well."""
        self._raw.close()
        super().close()
