"""One HTTP exchange with a gateway, told apart by the only question that matters: can it have left this machine?

`requests` carries it through an adapter of ours, below the session: so there are no redirects, no proxies or
passwords from the environment, no cookies and no retries to switch off. The adapter's connections add two things that
`requests` cannot say: the moment between "sent" and "answered", where a crash hurts most, and a limit on the whole
wait for an answer instead of on each of its packets.
"""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError

from payment_service.deadlines import DeadlineResponse
from payment_service.failpoints import failpoint
from payment_service.gateways.base import NotSent, Unknown
from payment_service.gateways.protocol import Reply

BODY_LIMIT = 64 * 1024
"""Bytes of a reply that are read; the protocol's largest page is far smaller."""

CONNECTIONS = 64
"""Connections kept open: at least one for every thread that a process of this service may have."""

_HEADERS = {
    "Accept": "application/json",
    # A compressed reply could grow beyond any limit once it is unpacked: it is not asked for, and not unpacked.
    "Accept-Encoding": "identity",
    "User-Agent": "payment-service",
}

# Whatever else can go wrong on a wire: a malformed reply, a body that ends early, a reset while reading.
_BROKEN = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)


class Transport:
    """HTTP to one base URL (`http://` or `https://`); times in seconds. Safe to share between threads.

    Raises ValueError for a URL that is no such thing.
    """

    def __init__(self, url: str, *, connect_timeout: float, read_timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
            raise ValueError("a gateway's URL is http:// or https://, a host, maybe a port and a path")
        self._base = url.rstrip("/")
        self._timeouts = (connect_timeout, read_timeout)
        self._adapter = _Adapter(pool_connections=1, pool_maxsize=CONNECTIONS)

    def get(self, path: str) -> Reply | NotSent | Unknown:
        """Ask; nothing changes at the gateway, so no failpoint is passed."""
        return self._exchange(requests.Request("GET", self._base + path, headers=_HEADERS))

    def post(self, path: str, payload: Mapping[str, str | None]) -> Reply | NotSent | Unknown:
        """Send an instruction as JSON. Passes the failpoint `gateway.sent`."""
        headers = {**_HEADERS, "Content-Type": "application/json"}
        body = json.dumps(payload, separators=(",", ":")).encode()
        return self._exchange(requests.Request("POST", self._base + path, headers=headers, data=body))

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._adapter.close()

    def _exchange(self, request: requests.Request) -> Reply | NotSent | Unknown:
        try:
            return self._reply(request.prepare())
        except requests.ConnectTimeout:
            return NotSent("connecting to the gateway timed out")
        except requests.ConnectionError as error:
            if _never_connected(error):
                return NotSent("the gateway refused the connection")
            return Unknown("the connection to the gateway broke")
        except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
            return Unknown("the gateway did not answer in time")
        except _BROKEN:
            return Unknown("the gateway's reply broke off or is not HTTP")

    def _reply(self, request: requests.PreparedRequest) -> Reply | Unknown:
        with self._adapter.send(request, stream=True, timeout=self._timeouts) as response:
            body = response.raw.read(BODY_LIMIT + 1, decode_content=False)
            if len(body) > BODY_LIMIT:
                return Unknown(f"the gateway's reply is larger than {BODY_LIMIT} bytes")
            return Reply(response.status_code, body)


def _never_connected(error: requests.ConnectionError) -> bool:
    """Whether no byte can have left: refused, unreachable, or the host's name has no address."""
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


class _Announcing(HTTPConnection):
    """Passes the failpoint `gateway.sent` when an instruction has left and before its answer is read."""

    response_class = DeadlineResponse
    _instructs = False

    def request(self, method: str, url: str, *args: Any, **options: Any) -> None:
        self._instructs = method == "POST"
        super().request(method, url, *args, **options)

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # so does urllib3
        if self._instructs:
            failpoint("gateway.sent")
        return super().getresponse()


class _AnnouncingTLS(_Announcing, HTTPSConnection):
    """The same over TLS."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Announcing


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _AnnouncingTLS


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
