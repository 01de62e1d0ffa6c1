"""A TCP server that says exactly the bytes it was given, for what no well-bred HTTP server would say."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import cycle


class ScriptedServer:
    """Reads one request per connection, says the bytes (one every `pause` seconds, if that is not 0), hangs up.

    `accepted` counts the connections, `received` keeps what was read from each.
    """

    def __init__(self, *answers: bytes, pause: float = 0.0) -> None:
        self._answers = cycle(answers or (b"",))
        self._pause = pause
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.received: list[bytes] = []

    @property
    def accepted(self) -> int:
        """Connections so far."""
        return len(self.received)

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Stop; a connection under way is finished first."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with suppress(OSError):  # The listener is closed under accept(): that is the way to stop.
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):  # A client that hangs up in the middle has heard enough.
                    self.received.append(_request(connection))
                    self._say(connection, next(self._answers))

    def _say(self, connection: socket.socket, answer: bytes) -> None:
        if not self._pause:
            connection.sendall(answer)
            return
        for byte in answer:
            connection.sendall(bytes([byte]))
            time.sleep(self._pause)


def _request(connection: socket.socket) -> bytes:
    """Return one request with its body, or as much as came; of what is not HTTP (a TLS handshake) the first bytes."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        if not received[:1].isalpha():
            break
        head, end, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if end and len(body) >= int(length[1] if length else 0):
            break
    return received


@contextmanager
def scripted_server(*answers: bytes, pause: float = 0.0) -> Iterator[ScriptedServer]:
    """Yield a scripted server that is gone at the end; several answers take turns."""
    server = ScriptedServer(*answers, pause=pause)
    server.start()
    try:
        yield server
    finally:
        server.close()
