"""A server that plays the script of a scenario, a step for each request, and counts the money it moves."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ScriptedService(ThreadingHTTPServer):
    """Moves money once for each key, as the service does; `left` are the steps that were not played."""

    daemon_threads = False

    def __init__(self, script: list[dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.left = list(script)
        self.surplus = 0
        """Requests for which the script has no step."""
        self.closing = threading.Event()
        self._moved: set[tuple[str, str]] = set()

    @property
    def moved(self) -> Counter[str]:
        """Return how often each kind of money movement happened."""
        return Counter(kind for kind, _ in self._moved)

    def move(self, kind: str, key: str) -> None:
        """Move the money once for each key."""
        self._moved.add((kind, key))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedService

    def _play(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.server.left:
            self.server.surplus += 1
            self.close_connection = True
            return
        step = self.server.left.pop(0)
        if "moves" in step:
            self.server.move(step["moves"], self.headers.get("Idempotency-Key") or _key(body))
        if step["do"] == "silence":
            self.server.closing.wait()
        if step["do"] == "answer":
            self._answer(step)
        else:
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_DELETE = _play  # noqa: N815 - http.server names them

    def _answer(self, step: dict[str, Any]) -> None:
        content = (step["text"] if "text" in step else json.dumps(step["body"])).encode()
        headers = {"Content-Type": "application/json", "Connection": "close"} | step.get("headers", {})
        self.send_response(step["status"])
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(BrokenPipeError):
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


def _key(body: bytes) -> str:
    return str(json.loads(body or b"{}").get("idempotency_key", ""))


@contextmanager
def scripted_service(script: list[dict[str, Any]]) -> Iterator[ScriptedService]:
    """Run the server for the block."""
    server = ScriptedService(script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        with suppress(OSError):
            server.socket.shutdown(socket.SHUT_RDWR)
        server.server_close()
