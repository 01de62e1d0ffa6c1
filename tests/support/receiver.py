"""An HTTP receiver for tests: takes events, notes them, and misbehaves on demand."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.events import Arrival


@dataclass(frozen=True)
class Taken:
    """One request as it came."""

    method: str
    path: str
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Answer:
    """The reaction to a request: answer `status` after `wait` seconds; or hang up without a word.

    `takes` is true if it was dealt with: a 500 and a late answer may mean either.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0
    hangs_up: bool = False
    takes: bool | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has dealt with the request."""
        return self.takes if self.takes is not None else self.status < 300


class Receiver:
    """Listens on a loopback port. `behaviour` decides on each request; every one that was dealt with is in `taken`."""

    def __init__(self, behaviour: Callable[[Taken], Answer] = lambda _: Answer()) -> None:
        self.behaviour = behaviour
        self.taken: list[Taken] = []
        self.seen: list[Taken] = []
        self.connections = 0
        self._lock = threading.Lock()
        self._server = self._listen(0)
        self.port: int = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def arrivals(self) -> list[Arrival]:
        """Return the handled requests, in order."""
        with self._lock:
            taken = list(self.taken)
        return [_arrival(each) for each in taken]

    def stop(self) -> None:
        """Be gone: connections are refused from now on."""
        self._server.shutdown()
        self._server.server_close()

    def start(self) -> None:
        """Be back on the same port."""
        self._server = self._listen(self.port)

    close = stop

    def take(self, request: Taken) -> Answer:
        """Decide on a request and note it."""
        answer = self.behaviour(request)
        with self._lock:
            self.seen.append(request)
            if answer.is_taken:
                self.taken.append(request)
        return answer

    def _listen(self, port: int) -> ThreadingHTTPServer:
        server = _Server(("127.0.0.1", port), _Handler)
        server.receiver = self
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server


def _arrival(taken: Taken) -> Arrival:
    body = json.loads(taken.body)
    return Arrival(taken.headers["Webhook-Id"], body["payment_id"], body["version"], taken.body)


class _Server(ThreadingHTTPServer):
    receiver: Receiver
    daemon_threads = True
    request_queue_size = 128

    def verify_request(self, request: object, client_address: object) -> bool:
        """Count the connection."""
        self.receiver.connections += 1
        return True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 10

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # its sender has died
            self.close_connection = True
            return
        server = self.server
        assert isinstance(server, _Server)
        answer = server.receiver.take(Taken(self.command, self.path, self.headers, body))
        if answer.wait:
            time.sleep(answer.wait)
        if answer.hangs_up:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in ({"Content-Length": "0"} | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()

    do_POST = do_PATCH = do_GET = _handle  # noqa: N815 - the library looks for these names

    def log_message(self, *args: object) -> None:
        """Say nothing."""
