"""A TCP proxy on loopback that can lose things: cut connections, swallow what one side says, refuse newcomers."""

import socket
import threading
from contextlib import suppress


class TcpProxy:
    """Forwards connections to `port` of 127.0.0.1. Its own `port` stays the same for as long as it lives."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.swallows_answers = False
        """Whether what the server says is thrown away: the client's words still arrive."""
        self.refuses = False
        self.said = 0
        """Bytes that clients have sent so far."""
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> int:
        """Reset every connection; how many there were."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with suppress(OSError):
                # Without lingering a close is a reset: nothing in flight arrives any more.
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        return len(ends) // 2

    def close(self) -> None:
        """Cut everything and stop."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed under accept(): that is the way to stop
            while True:
                client, _ = self._listener.accept()
                server = None if self.refuses else self._connect()
                if server is None:
                    client.close()
                    continue
                with self._lock:
                    self._open |= {client, server}
                for pair in ((client, server, False), (server, client, True)):
                    self._threads.append(threading.Thread(target=self._pump, args=pair))
                    self._threads[-1].start()

    def _connect(self) -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", self._upstream), timeout=5)
        except OSError:
            return None

    def _pump(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            source.settimeout(None)
            while data := source.recv(65536):
                self.said += 0 if is_answer else len(data)
                if not (is_answer and self.swallows_answers):
                    target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open -= {source, target}
        for end in (source, target):
            end.close()
