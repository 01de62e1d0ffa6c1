"""All processes of a torture run: database, bank, web server, workers, receivers, and doomed processes."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import requests

from tests.crash.caller import Intent
from tests.crash.oracle import Oracle
from tests.crash.processes import Process
from tests.crash.proxy import CommitProxy
from tests.crash.scenario import SERVICE, Environment
from tests.crash.stages import Database, Fault
from tests.crash.tables import Ledger, Tables
from tests.support.ports import free_port
from tests.support.postgres import ThrowawayPostgres
from tests.support.processes import ROOT, Service, environment
from tests.support.receiver import Answer, Receiver
from tests.support.simulator import Simulator, running_simulator
from tests.support.tokens import SECRET
from tests.support.waiting import wait_until
from tests.torture.stories import RENAMED, Step, Story

LIMITS = {
    "gateway_connect_timeout": 0.3,
    "gateway_read_timeout": 0.6,
    "gunicorn_timeout": 4,
    "nginx_timeout": 5,
    "lease_seconds": 6,
    "recover_interval": 0.5,
    "keyless_answer_seconds": 0.5,
}
"""Leases that a run can wait for, and all other limits shorter in their turn."""

ANONYMOUS = "anonymous"
"""How the settings call who sends no token."""

SINKS = ("trip_notification", "order", "inventory", "notification")
WORKERS = 3
BACKGROUND = ("recover", "relay")
PATIENCE = 120.0


class System:
    """One service on one database with all it needs. `doomed` are single processes that will be killed or stopped.

    `told` counts what only this kind of system does.
    """

    skews: Sequence[int] = (-86_400, -3_600, 3_600, 86_400)
    """Seconds by which a clock may be wrong: a day and an hour, either way."""
    limits: Mapping[str, float] = LIMITS
    patience: Mapping[str, str] = {}
    """Settings of the commands that audit in the end: none of them may be cut short by a busy machine."""

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
        self.told: Counter[str] = Counter()

    def start(self) -> None:
        """Start every process that does not run."""
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
        """Return a forked process in a role of the fork server's, with `failpoints`, `skew` or `file_limit`."""
        armed = more.pop("failpoints", "")
        settings = {**SERVICE, **self.limits, **self._settings(), "failpoints": armed, "jwt_secret_key": SECRET}
        settings["key_scope_aliases"] = [(new, old) for old, new in RENAMED.items()]
        return self._fork_server.fork(role, {**settings, "database_url": self._address}, **more)

    def any_port(self) -> int:
        """Return a port that a client may use: mostly the web server's."""
        with self._lock:
            self.doomed = [process for process in self.doomed if not process.has_ended]
            ports = [process.port for process in self.doomed if process.port]
        return self._random.choice(ports) if ports and self._random.random() < 0.4 else self.port

    def add_process(self, process: Process) -> None:
        """Let clients use a doomed process, too."""
        with self._lock:
            self.doomed.append(process)

    def arm(self, fault: Fault, **which: str) -> None:
        """Arm a fault of the bank's for one operation; a bank that is dead just now is not armed."""
        try:
            self.bank.arm(fault.name, **which, **fault.scope)
        except (requests.RequestException, AssertionError):
            return

    def has_declined(self, intent: Intent) -> bool:
        """Return whether the bank has refused this wish: a bank that died meanwhile has forgotten its fault."""
        asked = [
            row for row in self.ledger.operations() if (row["kind"], row["amount"]) == (intent.kind, intent.amount)
        ]
        return bool(asked) and all(row["status"] == "declined" for row in asked)

    def chaos(self, random: Random) -> Mapping[str, Callable[[], None]]:
        """Return the faults of this bank alone."""
        return {}

    def let_customer_act(self, step: Step) -> None:
        """Let the customer act, if the bank asks."""

    def come_to_pass(self, story: Story) -> None:
        """Let the events after a payment's story happen."""

    def oracle(self, tables: Tables, intents: Sequence[Intent]) -> Oracle:
        """Return the judge."""
        return Oracle(tables, self.ledger, intents)

    def settle(self, patience: float = PATIENCE) -> float:
        """Let everything be well again; how many seconds it takes until nothing is unfinished or undelivered.

        The worker looks a long undecided operation up every few minutes only: remove that wait.
        """
        began = time.monotonic()
        self.start()
        for sink in self.sinks.values():
            sink.behaviour = lambda _: Answer()
        with closing(Tables(self.url)) as tables:

            def is_finished() -> bool:
                time.sleep(0.2)
                tables.end_timers()
                return not tables.unfinished()

            wait_until(is_finished, lambda: str(tables.unfinished()[:3]), patience)
            tables.end_leases_of_deliveries()
            wait_until(lambda: not tables.undelivered(), lambda: str(tables.undelivered()[:3]), patience)
        return time.monotonic() - began

    def verify(self) -> list[str]:
        """Return the violations of the service's own audit."""
        return self.flask("verify")

    def flask(self, *words: str) -> list[str]:
        """Run a command of the service's; return its output if it failed."""
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
        own = environment(**self._environment() | {"DATABASE_URL": self.url, **self.patience})
        done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode == 0:
            return []
        return [f"{words[0]}: {line}" for line in (done.stdout + done.stderr).splitlines()]

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

    def _environment(self) -> dict[str, str]:
        own = {"DATABASE_URL": self._address, "JWT_SECRET_KEY": SECRET, "TMPDIR": str(self.home), "DOTENV_READ": "1"}
        own |= {"LOG_LEVEL": "ERROR", "IDEMPOTENCY_WAIT": "0.5", "WEB_CONCURRENCY": str(WORKERS)}
        own |= {name.upper(): str(value) for name, value in {**self.limits, **self._settings()}.items()}
        return own | {"KEY_SCOPE_ALIASES": ",".join(f"{new}={old or ANONYMOUS}" for old, new in RENAMED.items())}

    def _started(self, name: str) -> Service:
        own = self._environment()
        if name == "web":
            return Service.gunicorn({**own, "BIND": f"127.0.0.1:{self.port}"})
        words = ("recover", "--loop") if name == "recover" else (name,)
        return Service(sys.executable, "-m", "flask", "--app", "wsgi", *words, settings=own)


@contextmanager
def running_system(kind: type[System], environment: Environment, database: Database, home: Path) -> Iterator[System]:
    """Yield a system on an empty database, started and ready, gone at the end."""
    with ExitStack() as stack:
        bank = stack.enter_context(running_simulator(home, latency_ms=20))
        made = kind(environment, bank, stack.enter_context(environment.database(database, "torture")), home)
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
