"""A bank for tests that speaks Mollie's API v2 as its documentation has it, keeps all in memory, and can misbehave.

Its customers pay, fail and expire by a call of the test. On points the documentation leaves open it is the nastier: an
answer 5xx is not kept under its idempotency key, and a repeat is executed anew.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.mollie_objects import Json, MollieObjects, Refused, Told

KEY = "test_dHar4XY7LxsDOtmnkVtjNVWXLSlXsM"
_TITLES = {401: "Unauthorized Request", 404: "Not Found", 409: "Conflict", 422: "Unprocessable Entity"}


def problem(status: int, detail: str, field: str | None = None) -> Told:
    """Return an error as Mollie tells it."""
    body = {"status": status, "title": _TITLES.get(status, "Error"), "detail": detail}
    return status, body | ({"field": field} if field else {})


class MollieBank(MollieObjects, ThreadingHTTPServer):
    """The objects over HTTP; `log` has each request: method and path. `hours` is how much later it is there."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        MollieObjects.__init__(self)
        ThreadingHTTPServer.__init__(self, ("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.log: list[str] = []
        self.hours = 0.0
        self._faults: deque[tuple[str, str, int]] = deque()
        self._kept: dict[str, tuple[float, Told | None]] = {}

    def arm(self, fault: str, on: str, status: int = 500) -> None:
        """Arm a fault for the next request with this end of its path: `drop_before`, `drop_after` its effect, or
        `tell_…`.
        """
        self._faults.append((fault, on, status))

    def answer(self, method: str, target: str, headers: Any, body: Json) -> Told | None:
        """Return status and body; None: the connection breaks."""
        path = urlsplit(target).path
        self.log.append(f"{method} {path}")
        fault, status = self._fault(f"{method} {path}")
        if fault == "drop_before":
            return None
        if fault == "tell_before":
            return problem(status, "It went wrong")
        if headers.get("Authorization") != f"Bearer {KEY}":
            return problem(401, "Missing authentication, or failed to authenticate")
        told = self._once(headers.get("Idempotency-Key"), method, target, body, is_kept=fault != "tell_after")
        if fault == "drop_after":
            return None
        return problem(status, "It went wrong") if fault == "tell_after" else told

    def _fault(self, request: str) -> tuple[str | None, int]:
        with self.lock:
            for armed in self._faults:
                if request.endswith(armed[1]):
                    self._faults.remove(armed)
                    return armed[0], armed[2]
        return None, 0

    def _once(self, key: str | None, method: str, target: str, body: Json, *, is_kept: bool) -> Told:
        """Return the answer; for a POST with a key that of the first request within the hour."""
        if key is None or method != "POST":
            return self._tried(method, target, body)
        now = time.monotonic() + self.hours * 3600
        with self.lock:
            at, told = self._kept.get(key, (-3601.0, None))
            if now - at < 3600:
                return told or problem(409, "A request with this idempotency key is under way")
            self._kept[key] = now, None
        told = self._tried(method, target, body)
        with self.lock:
            self._kept[key] = now, told
            if not is_kept:
                del self._kept[key]
        return told

    def _tried(self, method: str, target: str, body: Json) -> Told:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        with self.lock:
            try:
                status, found = self.executed(method, parts.path.split("/")[2:], query, body)
            except Refused as refused:
                return problem(refused.status, str(refused), refused.field)
            return status, json.loads(json.dumps(found))


class _Handler(BaseHTTPRequestHandler):
    server: MollieBank
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body in one packet: the second one would wait for the first one's acknowledgement

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        told = self.server.answer(self.command, self.path, self.headers, body)
        self.close_connection = told is None
        if told is None:
            return
        content = json.dumps(told[1]).encode()
        self.send_response(told[0])
        self.send_header("Content-Type", "application/hal+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that the base class looks for


@contextmanager
def mollie_bank() -> Iterator[MollieBank]:
    """Yield a bank without payments, gone at the end."""
    bank = MollieBank()
    thread = threading.Thread(target=bank.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield bank
    finally:
        bank.shutdown()
        thread.join()
        bank.server_close()
