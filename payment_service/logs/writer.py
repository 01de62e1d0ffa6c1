"""Writes log lines to standard error. If no reader takes them, the writer thread waits, and no request does."""

import logging
import os
import select
import sys
import threading
from contextvars import Context
from queue import SimpleQueue
from typing import TextIO

import structlog

from payment_service.metrics import log_line_dropped

MOST_LINES = 10_000
"""Lines that may wait. The next ones are dropped and counted."""

PATIENCE = 2.0
"""Seconds that `flush` waits for a reader. The end of a process waits no longer."""

log = structlog.get_logger(__name__)

Item = tuple[str, str] | threading.Event | None
"""A level with its line, an event to set once everything before is written, or the end."""


class QueuedLines(logging.Handler):
    """Formats a record in the calling thread, and writes it in a thread of this process.

    A fork copies no thread. So a child begins with an empty queue and its own writer; the lines of its parent stay with
    the parent.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._queue: SimpleQueue[Item] = SimpleQueue()
        self._writer: threading.Thread | None = None
        self._dropped = 0

    def write_to(self, stream: TextIO) -> None:
        """Write to another stream from now on, after the waiting lines."""
        self.flush()
        self.stream, self._dropped = stream, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line of a record, or count it as dropped."""
        self.put(record.levelname.lower(), self.format(record))

    def put(self, level: str, line: str) -> None:
        """Queue a line without its end, or count it as dropped."""
        if self._pid != os.getpid():
            self._begin()
        if self._queue.qsize() >= MOST_LINES:
            self._drop(level)
            return
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            # This line comes through here, too. A new context, because it belongs to no request.
            Context().run(log.warning, "log.lines_dropped", lines=dropped)
        self._queue.put((level, line + "\n"))
        if self._writer is None:
            self._start()

    def flush(self) -> None:
        """Wait until everything is written, for at most `PATIENCE` seconds."""
        if self._writer is not None and self._pid == os.getpid():
            written = threading.Event()
            self._queue.put(written)
            written.wait(PATIENCE)

    def close(self) -> None:
        """End the writer after the waiting lines."""
        if self._writer is not None and self._pid == os.getpid():
            self._queue.put(None)
            self._writer = None
        super().close()

    def _start(self) -> None:
        writer = threading.Thread(target=self._write_all, args=(self._queue,), name="log-writer", daemon=True)
        try:
            writer.start()
            self._writer = writer
        except RuntimeError:  # no thread can start: the process is ending, or has too many
            self._queue.put(None)
            self._write_all(self._queue)

    def _write_all(self, queue: "SimpleQueue[Item]") -> None:
        while (item := queue.get()) is not None:
            if isinstance(item, threading.Event):
                item.set()
                continue
            level, line = item
            try:
                _write(self.stream, line)
            except (OSError, ValueError):  # a closed pipe, a full disk, a closed file
                self._drop(level)

    def _drop(self, level: str) -> None:
        self._dropped += 1
        log_line_dropped(level)


def _write(stream: TextIO, line: str) -> None:
    """Write one line. Lines of several processes do not mix, because each is one system call.

    The stream's own buffer has a lock. A writer that waits inside it would break the end of the process.
    """
    if stream is not sys.__stderr__:
        stream.write(line)
        stream.flush()
        return
    number, rest = stream.fileno(), line.encode()
    while rest:
        try:
            rest = rest[os.write(number, rest) :]
        except BlockingIOError:  # another process that shares the pipe has made it non-blocking
            select.select([], [number], [])
