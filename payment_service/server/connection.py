"""A client's connection on which no thread waits."""

import re
import socket
from contextlib import suppress
from enum import Enum, auto

from gunicorn.http.errors import NoMoreData

from payment_service.server.extent import Extent

_PIECE = 64 * 1024
_MOST_DRAINED = 64 * 1024
_LONGEST_PROBE = 128
_PROBE = re.compile(rb"(?:GET|HEAD) (?:/[\w.~-]+)*/health(?:(/live)|/ready)?[ ?]")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Probe(Enum):
    """A question after the health of this process. Each kind waits only for its own."""

    LIVENESS = auto()
    READINESS = auto()


class Connection:
    """A socket that never blocks. Received data and data that is still to be sent are in memory.

    gunicorn's parser and response call the methods of a socket: `recv` returns what `receive` took before, `sendall`
    keeps what the client does not take at once. The main loop and a thread never hold a connection at the same time.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sock.setblocking(False)
        self._received = bytearray()
        self._extent = Extent()
        self._unsent = bytearray()
        self._drained = 0
        self._continued = False
        self._has_ended = False

    # Called by the worker.

    @property
    def has_received(self) -> bool:
        """True if the client has begun a request."""
        return bool(self._received)

    @property
    def probe(self) -> Probe | None:
        """The probe that the client's request is, None for any other; the request stays to be received."""
        begun = bytes(self._received[:_LONGEST_PROBE])
        if not begun:
            with suppress(OSError):
                begun = self._sock.recv(_LONGEST_PROBE, socket.MSG_PEEK)
        found = _PROBE.match(begun)
        return found and (Probe.LIVENESS if found[1] else Probe.READINESS)

    @property
    def held(self) -> int:
        """Bytes in memory that wait for the client."""
        return len(self._received) + len(self._unsent)

    def receive(self) -> bool:
        """Read available data; return True if a thread can work on it. Raises OSError on a broken connection."""
        with suppress(BlockingIOError):
            piece = self._sock.recv(_PIECE)
            self._received += piece
            self._has_ended = not piece
        if self._has_ended or self._extent.is_whole(self._received):
            return True
        if self._extent.expects_continue and not self._continued:
            self.sendall(_CONTINUE)
            self._continued = True
        return False

    def begin(self, rest: bytes) -> None:
        """Begin the next request, first with the `rest` that the parser read beyond the one before."""
        self._received[:0] = rest
        self._extent = Extent()
        self._continued = False

    def flush(self) -> bool:
        """Send the rest of a response; return True once all is sent. Raises OSError if the connection is broken."""
        with suppress(BlockingIOError):
            while self._unsent:
                del self._unsent[: self._sock.send(self._unsent)]
        return not self._unsent

    def drain(self) -> bool:
        """Drop data that still comes before the end; return True if the connection can be closed.

        If it were closed with unread bytes, the system would reset it, and the client could lose the response.
        """
        try:
            while piece := self._sock.recv(_PIECE):
                self._drained += len(piece)
                if self._drained > _MOST_DRAINED:
                    return True
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    # Called by gunicorn.

    def recv(self, size: int) -> bytes:
        """Return at most `size` received bytes. A request that needs more breaks off: no thread waits for data."""
        if not self._received:
            raise NoMoreData
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def sendall(self, data: bytes) -> None:
        """Send what the client takes at once, and keep the rest for the main loop."""
        sent = 0
        if not self._unsent:
            with suppress(BlockingIOError):
                sent = self._sock.send(data)
        if sent < len(data):
            self._unsent += data[sent:]

    def send(self, data: bytes) -> int:
        """Send as `sendall`, but skip the `100 Continue` that the main loop has already sent."""
        if data != _CONTINUE or not self._continued:
            self.sendall(data)
        return len(data)

    def fileno(self) -> int:
        """Return the descriptor, for the poller."""
        return self._sock.fileno()

    def setblocking(self, _flag: object) -> None:
        """Change nothing: the socket never blocks."""

    def gettimeout(self) -> float:
        """Return 0: there is no wait."""
        return 0.0

    def settimeout(self, _seconds: float | None) -> None:
        """Change nothing."""

    def shutdown(self, how: int) -> None:
        """End the sending side. Raises OSError if the client is gone."""
        self._sock.shutdown(how)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()
