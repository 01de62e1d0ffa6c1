"""The service as several processes over one database, with a bank of their own, spoken to over real connections."""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests

from tests.support.ports import free_port
from tests.support.processes import Service
from tests.support.simulator import Simulator, running_simulator
from tests.support.waiting import wait_until

T = TypeVar("T")


@dataclass(frozen=True)
class Workers:
    """Running worker processes; `url` is a client's base URL, `bank` the gateway they all ask."""

    url: str
    bank: Simulator
    service: Service

    def send(self, method: str, path: str, body: Any = None, key: str | None = None) -> requests.Response:
        """Send one request on a connection of its own."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return requests.request(method, self.url + path, json=body, headers=headers, timeout=30)


@contextmanager
def several_workers(database_url: str, home: Path, count: int, **settings: str) -> Iterator[Workers]:
    """`count` workers as gunicorn runs them in production, over a migrated database and a bank that takes 30 ms."""
    with ExitStack() as stack:
        bank = stack.enter_context(running_simulator(home, latency_ms=30))
        port = free_port()
        own = {
            "BIND": f"127.0.0.1:{port}",
            "DATABASE_URL": database_url,
            "WEB_CONCURRENCY": str(count),
            "GATEWAY_URL": bank.url,
            "TMPDIR": str(home),
            "LOG_LEVEL": "WARNING",
            "DOTENV_READ": "1",  # a developer's .env is not for tests
        }
        service = stack.enter_context(closing(Service.gunicorn(own | settings)))
        workers = Workers(f"http://127.0.0.1:{port}", bank, service)
        wait_while_alive(service, lambda: _is_ready(workers))
        yield workers


def wait_while_alive(service: Service, condition: Callable[[], object], patience: float = 30.0) -> None:
    """Return as soon as `condition()` is true; an AssertionError with its last words where the process dies first."""

    def met() -> object:
        assert service.process.poll() is None, service.last_words()
        return condition()

    wait_until(met, service.last_words, patience)


def _is_ready(workers: Workers) -> bool:
    try:
        return workers.send("GET", "/health/ready").status_code == 200
    except requests.ConnectionError:
        return False


def relay(settings: Mapping[str, str]) -> Service:
    """Start `flask relay`, the process that sends events; the caller closes it."""
    command = (sys.executable, "-m", "flask", "--app", "wsgi", "relay")
    return Service(*command, settings={"DOTENV_READ": "1", **settings})


def all_at_once(count: int, call: Callable[[int], T]) -> list[T]:
    """Make `count` calls (numbered from 0) at the same moment; return their results, in the order of their numbers."""
    start = threading.Barrier(count)

    def run(number: int) -> T:
        start.wait()
        return call(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))
