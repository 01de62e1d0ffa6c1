"""A TCP proxy in front of PostgreSQL that cuts a connection at a COMMIT: before the server hears it, or after."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from sqlalchemy import URL, make_url

COMMIT = b"COMMIT\x00"
"""How the message ends that commits: alone in it, or after a transaction's last writes."""
Side = Literal["before", "after"]


class CommitProxy:
    """Listens on a loopback port for clients of the server at `url`; `url_through` is the way by here.

    It speaks as much of the protocol as it needs: messages of the client's begin with a letter and their length, and
    a COMMIT ends a simple query. TLS would hide that, so the address forbids it. `queries` are the messages that came
    by, of one or more statements, each a round trip; `cuts` counts the connections that were cut.
    """

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._lock = threading.Lock()
        self._left = 0
        self._side: Side = "before"
        self.has_cut = False
        self.cuts = 0
        self.queries: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url_through(self) -> str:
        """The database's URL with this proxy in it."""
        port = self._listener.getsockname()[1]
        query = {"sslmode": "disable", "gssencmode": "disable"}
        address = self._target.set(host="127.0.0.1", port=port, query=query)
        return address.render_as_string(hide_password=False)

    def cut(self, number: int, side: Side) -> None:
        """Cut the connection of the `number`th COMMIT from now on."""
        with self._lock:
            self._left, self._side, self.has_cut = number, side, False

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed: that is the way to stop
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, _connect(self._target) as server:
            muted = threading.Event()
            answers = threading.Thread(target=_pass_on, args=(server, client, muted), daemon=True)
            answers.start()
            for message in _messages(client):
                side = self._due(message)
                if side == "before":
                    break
                if side == "after":
                    muted.set()  # first: the answer must not slip through
                server.sendall(message)
                if side == "after":
                    answers.join(timeout=5)
                    break
            for end in (client, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _due(self, message: bytes) -> Side | None:
        if message[:1] == b"Q":
            self.queries.append(message[5:-1].decode())
        if message[:1] != b"Q" or not message.endswith(COMMIT):
            return None
        with self._lock:
            self._left -= 1
            if self._left != 0:
                return None
            self.has_cut = True
            self.cuts += 1
            return self._side


def _connect(target: URL) -> socket.socket:
    host = target.query.get("host") or target.host or "127.0.0.1"
    port = target.port or 5432
    if isinstance(host, str) and host.startswith("/"):
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(f"{host}/.s.PGSQL.{port}")
        except OSError:
            server.close()
            raise
        return server
    return socket.create_connection((str(host), port))


def _messages(client: socket.socket) -> Iterator[bytes]:
    """Yield the client's messages, whole; the very first one has no letter before its length."""
    reader = client.makefile("rb")
    head = reader.read(4)
    while len(head) >= 4:
        letter, size = (head[:1], head[1:5]) if len(head) == 5 else (b"", head)
        (length,) = struct.unpack("!I", size)
        yield letter + size + reader.read(length - 4)
        head = reader.read(5)


def _pass_on(server: socket.socket, client: socket.socket, muted: threading.Event) -> None:
    """Pass the server's answers on to the client, until one comes that it must not hear."""
    with suppress(OSError):
        while data := server.recv(65536):
            if muted.is_set():
                return
            client.sendall(data)
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


@contextmanager
def commit_proxy(url: str) -> Iterator[CommitProxy]:
    """Yield a proxy that is gone at the end."""
    proxy = CommitProxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
