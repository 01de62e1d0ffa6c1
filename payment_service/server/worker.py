"""gunicorn's threaded worker, with threads that never wait for a client.

gunicorn reads a request, and writes a response, in the thread that serves it: as many slow clients as there are threads
stop it. Here a thread takes received data and sends what the client takes at once. The main loop reads and writes the
rest, for all slow clients at once, and a thread serves a request when it is complete.

This is the one place that knows the internals of gunicorn's ThreadWorker: `enqueue_req`, `handle`, `finish_request`,
`method_queue`, `murder_pending`, `set_accept_enabled`, `nr_conns`, `poller`, `tpool` and TConn are no interface.
requirements.in pins gunicorn's minor version for it; tests/e2e/test_s9_slow_clients.py checks a newer one.
"""

import json
import selectors
import socket
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from payment_service import clock
from payment_service.server.connection import Connection, Probe

COURTESY, MOST_COURTESY = 0.001, 0.005
"""Seconds for which a worker without a free thread leaves the next connection to the other workers."""
LINGER_SECONDS = 2.0
"""How long a finished connection waits for its client to close it, and a stopping worker for a first byte."""
LOOK_SECONDS = 0.25
MOST_HELD = 64 * 1024 * 1024
"""Bytes that one worker keeps for slow clients; above it the connections with the most bytes are closed."""
_NOT_WHOLE = object()
_WORDS = "The request came too slowly"
_RETRY = {"safe": True, "key": "same", "after": None}
_BODY = json.dumps({"error": _WORDS, "detail": _WORDS, "code": "timeout", "retry": _RETRY})
TOO_SLOW = (
    "HTTP/1.1 408 Request Timeout\r\nServer: gunicorn\r\nConnection: close\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(_BODY)}\r\n\r\n{_BODY}"
).encode()


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Threads that share connections with the other workers' threads, and wait for none of them.

    A request must be complete `read_seconds` after its connection or, on a kept one, its first byte; if not, the client
    gets 408. The client must take a response within gunicorn's `timeout`. A stopping worker also serves the clients
    that were already connected.
    """

    read_seconds = 10.0
    told_to_stop = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: dict[TConn, tuple[float, Callable[[TConn], None]]] = {}
        self._next_look = 0.0
        self._at_work = 0
        self._probe_threads: dict[Probe, Executor] = {}

    def init_process(self) -> None:
        """Start the probes' threads, and then the worker: later the system may have no thread left."""
        self._probe_threads = {probe: ThreadPoolExecutor(1) for probe in Probe}
        for threads in self._probe_threads.values():
            threads.submit(clock.monotonic).result()
        super().init_process()

    def accept(self, listener: Any) -> None:
        """Take a connection. A proxy keeps its connections: a worker that takes them all serves them all, on one core.

        Each connection wakes both workers. A worker with more connections than threads waits, the longer the more it
        has, and finds none left if another worker was free.
        """
        if self.cfg.workers > 1 and self.alive and self.nr_conns >= self.cfg.threads:
            clock.sleep(min(COURTESY * self.nr_conns / self.cfg.threads, MOST_COURTESY))
        super().accept(listener)

    def enqueue_req(self, conn: TConn) -> None:
        """Let a thread handle the connection's next request. While all are at work, probes pass the others."""
        if not isinstance(conn.sock, Connection):
            conn.sock = Connection(conn.sock)
            conn.data_ready = True  # gunicorn would wait for it, in the thread
        elif conn.parser is not None:
            conn.sock.begin(conn.parser.unreader.take_buffered())
        if self._at_work < self.cfg.threads:
            self._submit(self.tpool, conn)
        elif conn.sock.has_received:  # with the request before; the poller sees only what is still to come
            self._sort(conn)
        else:
            self._wait_for_request(conn, self._sort)

    def _sort(self, conn: TConn) -> None:
        """Give a probe to a thread of its own: it must not stand behind requests that wait for a silent database."""
        self._stop_waiting(conn)
        probe = conn.sock.probe
        self._submit(self._probe_threads[probe] if probe else self.tpool, conn)

    def _submit(self, threads: Executor, conn: TConn) -> None:
        future = threads.submit(self.handle, conn)
        if threads is self.tpool:
            self._at_work += 1
        future.add_done_callback(lambda done: self.method_queue.defer(self._take_back, threads, conn, done))

    def _take_back(self, threads: Executor, conn: TConn, future: Future[object]) -> None:
        if threads is self.tpool:
            self._at_work -= 1
        self.finish_request(conn, future)

    def handle(self, conn: TConn) -> object:
        """Serve the request if it is complete; most are when they arrive. If not, the main loop reads the rest."""
        try:
            if not conn.sock.receive():
                return _NOT_WHOLE
        except OSError:
            return False
        return super().handle(conn) if conn.sock.has_received else False

    def _read(self, conn: TConn) -> None:
        try:
            is_whole = conn.sock.receive()
        except OSError:
            self._close(conn)
            return
        if is_whole:
            self._stop_waiting(conn)
            self._submit(self.tpool, conn)

    def finish_request(self, conn: TConn, fs: Future[object]) -> None:
        """Keep or close a connection once its client has taken the response."""
        if fs.cancelled() or fs.exception() is not None:
            super().finish_request(conn, fs)
            return
        if fs.result() is _NOT_WHOLE:
            self._wait_for_request(conn, self._read)
            return
        try:
            is_sent = conn.sock.flush()
        except OSError:
            self._close(conn)
            return
        if not is_sent:
            self._wait(
                conn, selectors.EVENT_WRITE, lambda conn: self.finish_request(conn, fs), self._close, self.cfg.timeout
            )
            return
        self._stop_waiting(conn)
        if not fs.result():
            self._part(conn)
        elif conn.sock.has_received:  # another request came with this one
            self.enqueue_req(conn)
        else:
            super().finish_request(conn, fs)

    def _wait_for_request(self, conn: TConn, resume: Callable[[TConn], None]) -> None:
        seconds = self.read_seconds if self.alive or conn.sock.has_received else LINGER_SECONDS
        self._wait(conn, selectors.EVENT_READ, resume, self._refuse, seconds)

    def _refuse(self, conn: TConn) -> None:
        """Answer 408 to a request that is not complete in time. A client that has not begun one gets no answer."""
        if not conn.sock.has_received:
            self._close(conn)
            return
        self.log.info("A request from ip=%s came too slowly", conn.client[0] if conn.client else "")
        try:
            conn.sock.sendall(TOO_SLOW)
        except OSError:
            self._close(conn)
        else:
            self._part(conn)

    def _part(self, conn: TConn) -> None:
        """End the sending side, and close the connection when the client has closed it, too."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
        else:
            self._drain(conn)

    def _drain(self, conn: TConn) -> None:
        if conn.sock.drain():
            self._close(conn)
        else:
            self._wait(conn, selectors.EVENT_READ, self._drain, self._close, LINGER_SECONDS)

    def _close(self, conn: TConn) -> None:
        self._stop_waiting(conn)
        self.nr_conns -= 1
        conn.close()

    def _wait(
        self,
        conn: TConn,
        event: int,
        resume: Callable[[TConn], None],
        expire: Callable[[TConn], None],
        seconds: float,
    ) -> None:
        """Call `resume` when the client is ready, or `expire` after so many seconds; the first wait counts."""
        if conn not in self._waiting:
            self.poller.register(conn.sock, event, lambda _: resume(conn))
            self._waiting[conn] = (clock.monotonic() + seconds, expire)

    def _stop_waiting(self, conn: TConn) -> None:
        if self._waiting.pop(conn, None) is not None:
            self.poller.unregister(conn.sock)

    def murder_pending(self) -> None:
        """Close connections that have waited too long. The main loop calls this at least once a second."""
        now = clock.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        for conn, (deadline, expire) in list(self._waiting.items()):
            if deadline <= now:
                self._stop_waiting(conn)
                expire(conn)
        held = sum(conn.sock.held for conn in self._waiting)
        for conn in sorted(self._waiting, key=lambda conn: conn.sock.held, reverse=True) if held > MOST_HELD else ():
            held -= conn.sock.held
            self._close(conn)
            if held <= MOST_HELD:
                break

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Handle SIGTERM."""
        self.told_to_stop = True
        super().handle_exit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept all pending connections before the listening sockets are closed for good."""
        if self.told_to_stop and not enabled:
            for listener in self.sockets:
                while self._admits_another(listener):
                    pass
        super().set_accept_enabled(enabled)
        if self.told_to_stop:
            for listener in self.sockets:
                listener.close()  # now and not after the last response: no client must wait in vain
            self._hurry()

    def _hurry(self) -> None:
        """Shorten the wait for clients that have not begun a request."""
        latest = clock.monotonic() + LINGER_SECONDS
        for conn, (deadline, expire) in self._waiting.items():
            if not conn.sock.has_received and expire == self._refuse:
                self._waiting[conn] = (min(deadline, latest), expire)

    def _admits_another(self, listener: Any) -> bool:
        before = self.nr_conns
        self.accept(listener)
        return bool(self.nr_conns > before)
