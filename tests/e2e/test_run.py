"""`make run` starts the service and its worker on an embedded file, and both live and die together."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests.support.ports import free_port
from tests.support.processes import ROOT, Service
from tests.support.waiting import wait_until


class Running:
    """`bin/run` on a port and a file of its own."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # DOTENV_READ: a developer's .env is not for tests.
        own = {"SERVICE_PORT": str(self.port), "DATABASE_URL": f"sqlite:///{directory}/payments.db", "DOTENV_READ": "1"}
        own["TMPDIR"] = str(directory)
        self.service = Service(str(ROOT / "bin" / "run"), settings=own | settings)

    def pay(self, key: str) -> requests.Response:
        body = {"idempotency_key": key, "trip_id": 7, "method": "CARD", "amount": 150.0}
        return requests.post(f"{self.url}/payments", json=body, timeout=20)

    def pid_of(self, word: str) -> int:
        """Return the process that `bin/run` has started with `word` on its command line."""
        for directory in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it may have ended since it was listed
                parent = int((directory / "stat").read_text().rpartition(")")[2].split()[1])
                words = (directory / "cmdline").read_bytes().split(b"\0")
                if parent == self.service.process.pid and word.encode() in words:
                    return int(directory.name)
        raise AssertionError(f"no {word} runs:\n{self.service.last_words()}")

    def group_is_gone(self) -> bool:
        try:
            os.killpg(self.service.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def is_ready(self) -> bool:
        assert self.service.process.poll() is None, self.service.last_words()
        try:
            return requests.get(f"{self.url}/health/ready", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path, GATEWAY_LATENCY_MS="1000")
    wait_until(running.is_ready, running.service.last_words)
    yield running
    running.service.close()


def test_sigterm_ends_service_and_worker_after_the_running_charge(running: Running) -> None:
    with ThreadPoolExecutor(1) as threads:
        paying = threads.submit(running.pay, "run-term")
        time.sleep(0.5)
        code = running.service.stop()
        answer = paying.result()

    assert (answer.status_code, answer.json()["status"]) == (200, "SUCCESS")
    assert code == 0, running.service.last_words()
    wait_until(running.group_is_gone, patience=5)


@pytest.mark.parametrize(("word", "name"), [("worker", "worker"), ("gunicorn", "service")])
def test_service_and_worker_end_together(running: Running, word: str, name: str) -> None:
    os.kill(running.pid_of(word), signal.SIGKILL)

    assert running.service.process.wait(timeout=40) == 1
    assert f"The {name} ended by itself" in running.service.log()
    wait_until(running.group_is_gone, patience=5)
