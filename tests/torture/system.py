"""Everything that runs in a torture run: database, bank, web server, workers, neighbours, and doomed processes."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import requests

from tests.crash.caller import Intent
from tests.crash.points import Database, Fault
from tests.crash.processes import Process
from tests.crash.proxy import CommitProxy
from tests.crash.scenario import SERVICE, Environment
from tests.crash.tables import Ledger, Tables
from tests.support.ports import free_port
from tests.support.postgres import ThrowawayPostgres
from tests.support.processes import Service
from tests.support.receiver import Answer, Receiver
from tests.support.simulator import Simulator, running_simulator
from tests.support.tokens import SECRET
from tests.support.waiting import wait_until

LIMITS = {
    "gateway_connect_timeout": 0.3,
    "gateway_read_timeout": 0.6,
    "gunicorn_timeout": 4,
    "nginx_timeout": 5,
    "lease_seconds": 6,
    "recover_interval": 0.5,
}
"""Leases that a run can wait for, and everything else shorter in its turn."""

SINKS = ("trip_notification", "order", "inventory", "notification")
WORKERS = 3
BACKGROUND = ("recover", "relay")
PATIENCE = 60.0


class System:
    """One service on one database with all it needs. `doomed` are single processes that will be killed or stopped."""

    def __init__(self, environment: Environment, bank: Simulator, url: str, home: Path) -> None:
        self.bank, self.url, self.home = bank, url, home
        self.postgres = environment.postgres if isinstance(environment.postgres, ThrowawayPostgres) else None
        self.ledger = Ledger(str(bank.ledger_path))
        self.sinks = {name: Receiver() for name in SINKS}
        self.proxy = CommitProxy(url) if url.startswith("postgresql") else None
        self.port = free_port()
        self.services: dict[str, Service] = {}
        self.doomed: list[Process] = []
        self._fork_server = environment.fork_server
        self._lock = threading.Lock()
        self._random = Random()

    def start(self) -> None:
        """Start whatever does not run."""
        for name in ("web", *BACKGROUND):
            service = self.services.get(name)
            if service is None or service.process.poll() is not None:
                self.restart(name)

    def restart(self, name: str) -> None:
        """kill -9 a service with all its processes, and start it again."""
        if service := self.services.pop(name, None):
            service.close()
        self.services[name] = self._started(name)

    def fork(self, role: str, **more: Any) -> Process:
        """A forked process in a role of the fork server's, with `failpoints`, `skew` or `file_limit`."""
        armed = more.pop("failpoints", "")
        settings = {**SERVICE, **LIMITS, **self._settings(), "failpoints": armed, "jwt_secret_key": SECRET}
        return self._fork_server.fork(role, {**settings, "database_url": self._address}, **more)

    def any_port(self) -> int:
        """A port that a client may use: mostly the web server's."""
        with self._lock:
            self.doomed = [process for process in self.doomed if not process.has_ended]
            ports = [process.port for process in self.doomed if process.port]
        return self._random.choice(ports) if ports and self._random.random() < 0.4 else self.port

    def add_process(self, process: Process) -> None:
        """Let clients use a doomed process, too."""
        with self._lock:
            self.doomed.append(process)

    def arm(self, fault: Fault, gateway_key: str) -> None:
        """Arm a fault of the bank's for one operation; a bank that is dead just now is not armed."""
        try:
            self.bank.arm(fault.name, gateway_key=gateway_key, **fault.scope)
        except (requests.RequestException, AssertionError):
            return

    def has_declined(self, intent: Intent) -> bool:
        """Whether the bank has refused this wish, and nothing else: one that died meanwhile has forgotten its fault."""
        asked = [
            row for row in self.ledger.operations() if (row["kind"], row["amount"]) == (intent.kind, intent.amount)
        ]
        return bool(asked) and all(row["status"] == "declined" for row in asked)

    def settle(self, patience: float = PATIENCE) -> float:
        """Let everything be well again; how many seconds it takes until nothing is unfinished or undelivered."""
        began = time.monotonic()
        self.start()
        for sink in self.sinks.values():
            sink.behaviour = lambda _: Answer()
        with closing(Tables(self.url)) as tables:
            wait_until(lambda: not tables.unfinished(), lambda: str(tables.unfinished()[:3]), patience)
            tables.end_leases_of_deliveries()
            wait_until(lambda: not tables.undelivered(), lambda: str(tables.undelivered()[:3]), patience)
        return time.monotonic() - began

    def close(self) -> None:
        """End everything."""
        for process in self.doomed:
            process.kill()
        for service in self.services.values():
            service.close()
        for sink in self.sinks.values():
            sink.close()
        if self.proxy:
            self.proxy.close()
        self.ledger.close()

    @property
    def _address(self) -> str:
        return self.proxy.url_through if self.proxy else self.url

    def _settings(self) -> dict[str, Any]:
        return {"gateway_url": self.bank.url, **{f"{name}_service_url": sink.url for name, sink in self.sinks.items()}}

    def _started(self, name: str) -> Service:
        own = {"DATABASE_URL": self._address, "JWT_SECRET_KEY": SECRET, "TMPDIR": str(self.home), "DOTENV_READ": "1"}
        own |= {"LOG_LEVEL": "ERROR", "IDEMPOTENCY_WAIT": "0.5", "WEB_CONCURRENCY": str(WORKERS)}
        own |= {name.upper(): str(value) for name, value in {**LIMITS, **self._settings()}.items()}
        if name == "web":
            return Service.gunicorn({**own, "BIND": f"127.0.0.1:{self.port}"})
        words = ("recover", "--loop") if name == "recover" else (name,)
        return Service(sys.executable, "-m", "flask", "--app", "wsgi", *words, settings=own)


@contextmanager
def running_system(environment: Environment, database: Database, home: Path) -> Iterator[System]:
    """A system on an empty database, started and ready, gone at the end."""
    with ExitStack() as stack:
        bank = stack.enter_context(running_simulator(home, latency_ms=20, checkout_success_rate=1))
        made = System(environment, bank, stack.enter_context(environment.database(database, "torture")), home)
        stack.callback(made.close)
        made.start()
        wait_until(lambda: _is_ready(made), made.services["web"].last_words)
        yield made


def _is_ready(made: System) -> bool:
    assert made.services["web"].process.poll() is None, made.services["web"].last_words()
    try:
        return requests.get(f"http://127.0.0.1:{made.port}/health/ready", timeout=5).status_code == 200
    except requests.RequestException:
        return False
