"""A client's connection that never makes anybody wait."""

import socket
from contextlib import suppress

from gunicorn.http.errors import NoMoreData

from payment_service.server.extent import Extent

_PIECE = 64 * 1024
_MOST_DRAINED = 64 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection:
    """A socket that never blocks. What it has received and what it could not send yet are in memory.

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

    # What the worker calls.

    @property
    def has_received(self) -> bool:
        """Whether the client has begun a request."""
        return bool(self._received)

    @property
    def held(self) -> int:
        """Bytes of memory that wait here for the client."""
        return len(self._received) + len(self._unsent)

    def receive(self) -> bool:
        """Take what has come; whether a thread can work on it now. Raises OSError where the connection is broken."""
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
        """Begin the next request, first with the `rest` of what the parser got for the one before."""
        self._received[:0] = rest
        self._extent = Extent()
        self._continued = False

    def flush(self) -> bool:
        """Send what is left of a response; whether all has gone. Raises OSError where the connection is broken."""
        with suppress(BlockingIOError):
            while self._unsent:
                del self._unsent[: self._sock.send(self._unsent)]
        return not self._unsent

    def drain(self) -> bool:
        """Throw away what still comes before the end; whether the connection can be closed.

        Closed with unread bytes, the system would reset it, and the client could lose the response.
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

    # What gunicorn calls.

    def recv(self, size: int) -> bytes:
        """What has come, at most `size` bytes. A request that needs more breaks off: no thread reads on."""
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
        """Send as `sendall`, but for the word to go on that the main loop has given already."""
        if data != _CONTINUE or not self._continued:
            self.sendall(data)
        return len(data)

    def fileno(self) -> int:
        """The descriptor, for the poller."""
        return self._sock.fileno()

    def setblocking(self, _flag: object) -> None:
        """Stay as it is: it never blocks."""

    def gettimeout(self) -> float:
        """No time is waited."""
        return 0.0

    def settimeout(self, _seconds: float | None) -> None:
        """Stay as it is."""

    def shutdown(self, how: int) -> None:
        """Say that nothing more is sent. Raises OSError where nobody is connected any more."""
        self._sock.shutdown(how)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()
