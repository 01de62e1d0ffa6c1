"""One HTTP exchange with a gateway: its reply, or a result that shows if the request may have left this machine."""

import json
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from payment_service.failpoints import failpoint
from payment_service.gateways.base import NotSent, Unknown
from payment_service.gateways.protocol import Reply
from payment_service.http_client import JSON_HEADERS, MALFORMED, DeadlineResponse, HttpClient, NoReply, NotConnected

BODY_LIMIT = 64 * 1024
"""The limit of a reply in bytes; the protocol's largest page is far smaller."""

CONNECTIONS = 64
"""Connections kept open: at least one for every thread that a process of this service may have."""


class _Response(DeadlineResponse):
    """Passes the failpoint `gateway.sent` when a request has left and before its reply is read."""

    def __init__(self, sock: socket.socket, *args: Any, method: str | None = None, **options: Any) -> None:
        if method == "POST":
            failpoint("gateway.sent")
        super().__init__(sock, *args, method=method, **options)


class Transport:
    """HTTP to one base URL (`http://` or `https://`); times in seconds. `token` is sent as a bearer token.

    Safe to share between threads.

    Raises ValueError for any other URL.
    """

    def __init__(self, url: str, token: str | None = None, *, connect_timeout: float, read_timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
            raise ValueError("a gateway's URL is http:// or https://, a host, maybe a port and a path")
        self._base = url.rstrip("/")
        self._headers = JSON_HEADERS if token is None else {**JSON_HEADERS, "Authorization": f"Bearer {token}"}
        self._client = HttpClient((connect_timeout, read_timeout), CONNECTIONS, _Response)

    def get(self, path: str) -> Reply | NotSent | Unknown:
        """Send a look-up; it changes nothing at the gateway, so it passes no failpoint."""
        return self.exchange("GET", self._base + path, self._headers)

    def post(self, path: str, payload: Mapping[str, str | None]) -> Reply | NotSent | Unknown:
        """Send a request as JSON. Passes the failpoint `gateway.sent`."""
        headers = {**self._headers, "Content-Type": "application/json"}
        body = json.dumps(payload, separators=(",", ":")).encode()
        return self.exchange("POST", self._base + path, headers, body)

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, limit: int = BODY_LIMIT
    ) -> Reply | NotSent | Unknown:
        """Send a request to the same host; `limit` is the most bytes of its reply. A POST passes the failpoint."""
        try:
            request = requests.Request(method, url, headers=headers, data=body)
            response, content = self._client.send(request, limit + 1)
        except NotConnected as error:
            timed_out = error.timed_out
            return NotSent("connecting to the gateway timed out" if timed_out else "the gateway refused the connection")
        except NoReply as error:
            timed_out = error.timed_out
            return Unknown("the gateway did not answer in time" if timed_out else "the connection to the gateway broke")
        except MALFORMED:
            return Unknown("the gateway's reply broke off or is not HTTP")
        if len(content) > limit:
            return Unknown(f"the gateway's reply is larger than {limit} bytes")
        return Reply(response.status_code, content, response.headers)

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._client.close()
