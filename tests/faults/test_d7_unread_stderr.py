"""D7: the service continues when no process reads its standard error."""

import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import structlog

from payment_service.logs import configure_logging, flush_logs, writer
from payment_service.metrics import own
from tests.support.ports import free_port
from tests.support.processes import ROOT, environment, flask
from tests.support.waiting import wait_until

SMALL_PIPE = 4096
"""Bytes that a pipe holds: some twenty lines."""


class Unread:
    """A process with a small pipe as its standard error; only `read` reads it."""

    def __init__(self, *command: str, settings: dict[str, str]) -> None:
        self._reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, SMALL_PIPE)
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment(**settings), stdin=subprocess.DEVNULL, stderr=writing
        )
        os.close(writing)

    def read(self) -> list[dict[str, object]]:
        """Read to the end of the process."""
        with open(self._reading, encoding="utf-8", closefd=False) as lines:
            return [json.loads(line) for line in lines]

    def close(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)
        os.close(self._reading)


@contextmanager
def unread(*command: str, settings: dict[str, str]) -> Iterator[Unread]:
    process = Unread(sys.executable, *command, settings=settings)
    try:
        yield process
    finally:
        process.close()


def test_d7_unread_stderr_pipe_stops_no_request_and_loses_no_line(tmp_path: Path) -> None:
    """Release 1.0.0 answered some twenty requests, then none, `/health/live` neither."""
    port = free_port()
    settings = {"SERVICE_PORT": str(port), "DATABASE_URL": f"sqlite:///{tmp_path}/p.db", "TMPDIR": str(tmp_path)}
    flask("db", "upgrade", settings=settings)
    command = ("-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app")
    with unread(*command, settings=settings) as service, requests.Session() as caller:

        def status(path: str) -> int:
            try:
                return caller.get(f"http://127.0.0.1:{port}{path}", timeout=5).status_code
            except requests.ConnectionError:
                return 0

        wait_until(lambda: status("/health/ready") == 200)
        answers = [status(path) for path in ("/health/live", "/payments", "/v1/payments/4711") * 100]
        service.process.terminate()
        lines = service.read()

        assert answers == [200, 200, 404] * 100
        asked = [line["route"] for line in lines if line["event"] == "request"]
        assert (asked.count("/payments"), asked.count("/health/live")) == (100, 100)
        assert service.process.wait(timeout=40) == 0
        assert "Shutting down: Master" in {line["event"] for line in lines}


def test_d7_lines_of_an_error_that_ends_the_process_are_written(tmp_path: Path) -> None:
    """The writer thread must not lose the lines that release 1.0.0 wrote."""
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path}/p.db", "LOG_LEVEL": "INFO"}
    said = "import logging, wsgi; [logging.info('line %d', n) for n in range(500)]; raise ValueError('the last')"
    with unread("-c", said, settings=settings) as process:
        lines = process.read()

    assert [line["event"] for line in lines[1:]] == [*(f"line {number}" for number in range(500)), "process.crashed"]
    assert "the last" in str(lines[-1])
    assert process.process.wait(timeout=10) == 1


def test_d7_process_ends_although_its_pipe_is_unread(tmp_path: Path) -> None:
    """Release 1.0.0 stood still at the first line beyond the pipe."""
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path}/p.db", "LOG_LEVEL": "INFO"}
    said = "import logging, wsgi; [logging.info('line %d', n) for n in range(500)]"
    with unread("-c", said, settings=settings) as process:
        assert process.process.wait(timeout=30) == 0


class Stuck:
    """A stream that takes no line before `reader` is set."""

    def __init__(self) -> None:
        self.reader, self.is_entered = threading.Event(), threading.Event()
        self.lines: list[str] = []

    def write(self, text: str) -> int:
        self.is_entered.set()
        self.reader.wait()
        self.lines += text.splitlines()
        return len(text)

    def flush(self) -> None:
        """Keep nothing back."""

    def events(self) -> list[object]:
        return [json.loads(line)["event"] for line in self.lines]


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    """Replace standard error by a stuck stream; ten lines may wait."""
    stream = Stuck()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(writer, "MOST_LINES", 10)
    configure_logging("INFO")
    yield stream
    stream.reader.set()
    monkeypatch.undo()
    configure_logging("ERROR")


def dropped(level: str) -> float:
    return own.get_sample_value("log_lines_dropped_total", {"level": level}) or 0.0


def test_d7_dropped_lines_are_counted_and_the_count_is_logged(stuck: Stuck) -> None:
    """In release 1.0.0 the first line that did not fit stopped its thread."""
    before, log = (dropped("info"), dropped("error")), structlog.get_logger("payment_service.test")
    log.info("first")
    wait_until(stuck.is_entered.is_set)
    for number in range(20):
        log.info("line", number=number)
    log.error("lost")

    assert (dropped("info"), dropped("error")) == (before[0] + 10, before[1] + 1)
    stuck.reader.set()
    flush_logs()
    with structlog.contextvars.bound_contextvars(request_id="of another"):
        log.info("last")
    flush_logs()

    assert stuck.events() == ["first", *["line"] * 10, "log.lines_dropped", "last"]
    told = json.loads(stuck.lines[-2])
    assert (told["lines"], told["level"], told.get("request_id")) == (11, "warning", None)


def test_d7_lines_of_several_threads_are_whole_and_complete(capsys: pytest.CaptureFixture[str]) -> None:
    """Every line is written once, in the order of its thread."""
    configure_logging("INFO")
    log = structlog.get_logger("payment_service.test")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda thread: [log.info("x", thread=thread, n=n) for n in range(100)], range(8)))
    flush_logs()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    numbers = {thread: [line["n"] for line in lines if line["thread"] == thread] for thread in range(8)}
    assert numbers == {thread: list(range(100)) for thread in range(8)}


def test_d7_forked_process_writes_only_its_own_lines(tmp_path: Path) -> None:
    """gunicorn forks its workers while lines may wait."""
    said = (
        "import logging, os, wsgi; logging.info('before'); child = os.fork()\n"
        "logging.info('in the child' if not child else 'in the parent')\n"
        "if child: os.waitpid(child, 0)"
    )
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path}/p.db", "LOG_LEVEL": "INFO"}
    with unread("-W", "ignore", "-c", said, settings=settings) as process:
        lines = process.read()

    assert sorted(str(line["event"]) for line in lines[1:]) == ["before", "in the child", "in the parent"]
