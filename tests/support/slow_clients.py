"""Clients that send a byte at a time, stop in the middle, keep idle connections or do not read their response."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

Address = tuple[str, int]

HOST = b"Host: localhost\r\n"
HEAD = b"GET /health HTTP/1.1\r\n" + HOST + b"X-Slow: "
BODY = b"POST /payments HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n{"
CHUNKS = (
    b"POST /payments HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1"
)
WHOLE = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
LARGE = b"GET /docs/assets/vendor/swagger-ui/swagger-ui-bundle.js HTTP/1.1\r\n" + HOST + b"\r\n"
"""Its response is larger than what the system keeps for a client with a small buffer."""

KINDS = {
    "one byte": (b"G", b""),
    "head": (HEAD, b"a"),
    "body": (BODY, b" "),
    "chunks": (CHUNKS, b"0"),
    "idle": (WHOLE, b""),
    "nothing": (b"", b""),
    "no reader": (LARGE, b""),
}
"""The first bytes of a client of each kind, and those that it repeats."""


def connect(address: Address) -> socket.socket:
    """Return a connection with the smallest buffer there is."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    connection.settimeout(30)
    connection.connect(address)
    return connection


@contextmanager
def slow_clients(address: Address, count: int, *kinds: str, again: bool = False) -> Iterator[list[socket.socket]]:
    """So many connections, of the kinds in turn (by default all). `again`: a client that is cut off comes again."""
    names = [(kinds or tuple(KINDS))[number % len(kinds or KINDS)] for number in range(count)]
    with ExitStack() as stack:
        enough = threading.Event()
        clients = [stack.enter_context(closing(connect(address))) for _ in names]
        for name, client in zip(names, clients, strict=True):
            client.sendall(KINDS[name][0])

        def dribble() -> None:
            while not enough.wait(0.5):
                for number, name in enumerate(names):
                    try:
                        clients[number].sendall(KINDS[name][1])
                    except OSError:
                        if again:
                            clients[number].close()
                            with suppress(OSError):
                                clients[number] = stack.enter_context(closing(connect(address)))
                                clients[number].sendall(KINDS[name][0])

        thread = threading.Thread(target=dribble)
        thread.start()
        stack.callback(thread.join)
        stack.callback(enough.set)
        yield clients
