"""Writes log lines to standard error. If no reader takes them, the writer thread waits, and no request does."""

import logging
import os
import select
import sys
import threading
from collections.abc import Iterable, Iterator
from contextvars import Context
from queue import SimpleQueue
from typing import TextIO

import structlog

from payment_service.metrics import log_line_dropped

MOST_LINES = 10_000
"""Lines that may wait, besides those in the writer's hands. The next ones are dropped and counted."""

GATHER = 0.02
"""Seconds in which further lines join the first one. To wake a thread for each line costs more than to write it."""

PATIENCE = 2.0
"""Seconds that `flush` waits for a reader. The end of a process waits no longer."""

log = structlog.get_logger(__name__)

Line = tuple[str, str]
"""A level, and a line with its end."""

Item = Line | threading.Event | None
"""A line, an event to set once everything before is written, or the end."""


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
        self._hurry = threading.Event()
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
            self._hurry.set()  # first: the writer clears it when it comes to `written`
            self._queue.put(written)
            written.wait(PATIENCE)

    def close(self) -> None:
        """End the writer after the waiting lines."""
        if self._writer is not None and self._pid == os.getpid():
            self._queue.put(None)
            self._hurry.set()
            self._writer = None
        super().close()

    def _start(self) -> None:
        writer = threading.Thread(target=self._write_all, args=(self._queue,), name="log-writer", daemon=True)
        try:
            writer.start()
            self._writer = writer
        except RuntimeError:  # no thread can start: the process is ending, or has too many
            self._queue.put(None)
            self._hurry.set()
            self._write_all(self._queue)

    def _write_all(self, queue: "SimpleQueue[Item]") -> None:
        items: list[Item] = []
        while None not in items:
            items = [queue.get()]
            self._hurry.wait(GATHER)
            items += [queue.get() for _ in range(queue.qsize())]
            for message in _messages(item for item in items if isinstance(item, tuple)):
                try:
                    _write(self.stream, "".join(line for _, line in message))
                except (OSError, ValueError):  # a closed pipe, a full disk, a closed file
                    for level, _ in message:
                        self._drop(level)
            for item in items:
                if isinstance(item, threading.Event):
                    self._hurry.clear()
                    item.set()

    def _drop(self, level: str) -> None:
        self._dropped += 1
        log_line_dropped(level)


def _messages(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Yield the lines of each system call. A pipe does not mix messages of at most PIPE_BUF bytes; lines are ASCII."""
    message: list[Line] = []
    size = 0
    for line in lines:
        if message and size + len(line[1]) > select.PIPE_BUF:
            yield message
            message, size = [], 0
        message.append(line)
        size += len(line[1])
    if message:
        yield message


def _write(stream: TextIO, text: str) -> None:
    """Write one message. Messages of several processes do not mix, because each is one system call.

    The stream's own buffer has a lock. A writer that waits inside it would break the end of the process.
    """
    if stream is not sys.__stderr__:
        stream.write(text)
        stream.flush()
        return
    number, rest = stream.fileno(), text.encode()
    while rest:
        try:
            rest = rest[os.write(number, rest) :]
        except BlockingIOError:  # another process that shares the pipe has made it non-blocking
            select.select([], [number], [])
