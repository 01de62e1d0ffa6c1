"""HTTP to other services, with errors that tell what a repeat needs to know: can the request have left this machine?

`requests` sends it through its adapter, below the session: so there are no redirects, no proxies or passwords from the
environment, no cookies and no retries to switch off. The time-out of a reply limits the whole reply, not each of its
packets, which `requests` cannot do.
"""

import http.client
import io
import socket
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError

from payment_service import clock

JSON_HEADERS = {
    "Accept": "application/json",
    # A compressed reply could grow beyond any limit when it is unpacked: do not ask for one, and do not unpack it.
    "Accept-Encoding": "identity",
    "User-Agent": "payment-service",
}

MALFORMED = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)
"""The errors of a malformed reply, a body that ends early, or a reset while reading."""


class NoReply(Exception):
    """The other service may have received the request but did not reply, or did not reply in time (`timed_out`)."""

    def __init__(self, *, timed_out: bool = False) -> None:
        super().__init__()
        self.timed_out = timed_out


class NotConnected(NoReply):
    """The request cannot have left this machine."""


class TlsFailed(NoReply):
    """The TLS handshake failed, or the encrypted connection broke."""


class DeadlineResponse(http.client.HTTPResponse):
    """A reply that, from status line to last byte, may take only the socket's time-out at its beginning.

    For a connection class of urllib3, as its `response_class`. Later bytes raise TimeoutError.
    """

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        if (seconds := sock.gettimeout()) is not None:
            self.fp = io.BufferedReader(DeadlineReader(self.fp.detach(), sock, seconds))


class DeadlineReader(io.RawIOBase):
    """Reads a socket until a moment instead of for a while: a reply that drips cannot hold a thread."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, seconds: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = clock.monotonic() + seconds

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Wait for the next bytes until the deadline, and read them. Raises TimeoutError then."""
        remaining = self._deadline - clock.monotonic()
        if remaining <= 0:
            raise TimeoutError("the reply took too long as a whole")
        self._sock.settimeout(remaining)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close the socket's file as well."""
        self._raw.close()
        super().close()


def deadline_adapter(connections: int, response: type[DeadlineResponse] = DeadlineResponse) -> HTTPAdapter:
    """Return an adapter for `requests` with a time-out of a reply that limits the whole reply."""
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections)
    adapter.poolmanager.pool_classes_by_scheme = {
        "http": _pool_class(urllib3.HTTPConnectionPool, HTTPConnection, response),
        "https": _pool_class(urllib3.HTTPSConnectionPool, HTTPSConnection, response),
    }
    return adapter


def authorities() -> bool | str:
    """Return the file of authorities that REQUESTS_CA_BUNDLE names, or True for the public list.

    `requests` itself reads it, but in its session, which we do without.
    """
    settings = requests.Session().merge_environment_settings("https://localhost", {}, None, None, None)
    return settings["verify"] or True


class HttpClient:
    """Connections to one service. `timeouts` are seconds: to connect, and for the whole reply. Thread-safe."""

    def __init__(
        self, timeouts: tuple[float, float], connections: int, response: type[DeadlineResponse] = DeadlineResponse
    ) -> None:
        self._timeouts = timeouts
        self._adapter = deadline_adapter(connections, response)
        self._authorities = authorities()

    def send(self, request: requests.Request, most_bytes: int) -> tuple[requests.Response, bytes]:
        """Return the reply, and up to `most_bytes` of its raw body. Raises NoReply, or errors of a malformed reply.

        Once a reply has been read to the end, its connection is used again.
        """
        try:
            with self._adapter.send(
                request.prepare(), stream=True, timeout=self._timeouts, verify=self._authorities
            ) as response:
                return response, response.raw.read(most_bytes, decode_content=False)
        except requests.ConnectTimeout as error:
            raise NotConnected(timed_out=True) from error
        except requests.exceptions.SSLError as error:
            raise TlsFailed from error
        except requests.ConnectionError as error:
            raise NotConnected if _never_connected(error) else NoReply from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise NoReply(timed_out=True) from error

    def get(self, url: str, most_bytes: int) -> tuple[int, bytes]:
        """GET a JSON document: status and body. Raises NoReply, also for a reply that is malformed or longer."""
        try:
            response, body = self.send(requests.Request("GET", url, headers=JSON_HEADERS), most_bytes + 1)
        except MALFORMED as error:
            raise NoReply from error
        if len(body) > most_bytes:
            raise NoReply
        return response.status_code, body

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._adapter.close()


def _pool_class(pool: type, connection: type, response: type) -> Any:
    connection = type("_Connection", (connection,), {"response_class": response})
    return type("_Pool", (pool,), {"ConnectionCls": connection})


def _never_connected(error: requests.ConnectionError) -> bool:
    """Return whether the host refused, was unreachable, or has a name without an address."""
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
