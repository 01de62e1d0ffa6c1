"""The environment of a run of trials: a database, a bank with its own ledger, and services that come and go."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from socket import socket
from typing import Any

from payment_service.config_fields import CHANNELS
from tests.crash.desk import SECRET as SECRET_OF_NOTICES
from tests.crash.desk import StripeDesk
from tests.crash.intents import RENAMED
from tests.crash.processes import ForkServer, Process
from tests.crash.proxy import CommitProxy
from tests.crash.stages import Adapter, Database
from tests.crash.tables import Ledger, Tables
from tests.support.postgres import Postgres
from tests.support.simulator import Simulator, running_simulator
from tests.support.tokens import SECRET

SERVICE: Mapping[str, Any] = {
    "environment": "testing",
    "log_level": "ERROR",
    "jwt_secret_key": SECRET,
    "idempotency_wait": 0.1,
    "gateway_connect_timeout": 0.5,
    "gateway_read_timeout": 0.35,
    "db_pool_size": 4,
    "key_scope_aliases": [(new, old) for old, new in RENAMED.items()],
}
"""A service that does not let the trials wait: half of what the simulator's silence lasts is enough patience."""

STRIPE: Mapping[str, Any] = {
    "gateway": "stripe",
    "stripe_api_key": "sk_test_of_trials",
    "stripe_read_timeout": 0.35,
    "stripe_webhook_secrets": [SECRET_OF_NOTICES],
}
REGISTERING: Mapping[str, Any] = {"registers": True, "connect_timeout": 0.5, "read_timeout": 0.35}
"""The keywords of the adapter that registers in the simulator's own protocol."""

BROKER = "rabbitmq"
"""A sink that is switched on in every scenario, and never there: each event must have a delivery to it."""

TEMPLATE = "crash_template"


@dataclass
class Environment:
    """The parts that many runs share: a fork server, the databases' server, and empty databases to copy."""

    home: Path
    fork_server: ForkServer
    postgres: Postgres | None

    def prepare(self) -> None:
        """Make the empty databases."""
        urls = [f"sqlite:///{self.home}/template.db"]
        if self.postgres:
            self.postgres.drop_database(TEMPLATE)
            urls.append(self.postgres.create_database(TEMPLATE))
        migrations = [self.fork_server.fork("migrate", {**SERVICE, "database_url": url}) for url in urls]
        assert [migration.wait() for migration in migrations] == [0] * len(urls), self.fork_server.log.read_text()

    @contextmanager
    def database(self, kind: Database, name: str) -> Iterator[str]:
        """Yield the URL of a fresh database, which is gone at the end."""
        if kind == "sqlite":
            # A directory of its own: the log of a database that was killed would be replayed into the next one.
            home = tempfile.mkdtemp(prefix=name, dir=self.home)
            shutil.copy(self.home / "template.db", home)
            yield f"sqlite:///{home}/template.db"
            return
        assert self.postgres is not None
        self.postgres.drop_database(name)
        yield self.postgres.create_database(name, TEMPLATE)
        self.postgres.drop_database(name)


class Scenario:
    """One run's stage; its `name` is like no other's before the same bank.

    `mutant`, `gateway` (keywords of the remote adapter) and `adapter` hold for every service on it.
    """

    def __init__(
        self,
        name: str,
        fork_server: ForkServer,
        simulator: Simulator,
        url: str,
        mutant: str | None,
        gateway: Mapping[str, Any] | None,
        adapter: Adapter = "remote",
        **settings: Any,
    ) -> None:
        self.name = name
        self.began = datetime.now(UTC)
        self._address = "stripe_api_base" if adapter == "stripe" else "gateway_url"
        gateway = {**REGISTERING, **(gateway or {})} if adapter == "remote-registering" else gateway
        self.simulator = simulator
        self._fork_server = fork_server
        own = {"database_url": url, self._address: simulator.url, f"{BROKER}_enabled": True}
        own |= STRIPE if adapter == "stripe" else {}
        own |= {f"{BROKER}_channels": list(CHANNELS)}
        self._settings = {**SERVICE, **own, **settings}
        self._more = {"mutant": mutant, "gateway": gateway}
        self._is_forgetful = not (gateway or {}).get("idempotent_by_key", True)
        self._living: list[Process] = []
        self._exit = ExitStack()
        self.tables = Tables(url)
        self._exit.callback(self.tables.close)
        self.ledger = Ledger(str(simulator.ledger_path))
        self._exit.callback(self.ledger.close)
        self.proxy: CommitProxy | None = None
        if url.startswith("postgresql"):
            self.proxy = CommitProxy(url)
            self._exit.callback(self.proxy.close)
        # Bound and not listening: the system refuses every connection, and no other process can take the port.
        self._nobody = self._exit.enter_context(socket())
        self._nobody.bind(("127.0.0.1", 0))
        self.steady = self.serve()
        self.desk: StripeDesk | None = None
        if adapter == "stripe":
            self.desk = StripeDesk(simulator)
            self._exit.callback(self.desk.close)
            self.desk.tell(self.steady.port)

    def serve(self, arm: str = "", *, without_gateway: bool = False, through_proxy: bool = False) -> Process:
        """Return a fresh service process."""
        settings = {**self._settings, "failpoints": arm}
        if without_gateway:
            settings[self._address] = f"http://127.0.0.1:{self._nobody.getsockname()[1]}"
        if through_proxy:
            assert self.proxy is not None
            settings["database_url"] = self.proxy.url_through
        return self._started(self._fork_server.fork("serve", settings, **self._more))

    def log(self) -> str:
        """Return the last log lines of all scenarios' service processes."""
        return self._fork_server.log.read_text()[-3000:]

    def recover(self, arm: str = "") -> int:
        """Let one recovery worker do what is due; its wait status."""
        return self.worker(arm).wait()

    def finish(self) -> None:
        """Let all pending work end: the bank's notices have arrived, and nothing waits."""
        if self.desk:
            self.desk.wait_until_told(self.ledger.has_told)
        self.tables.end_leases()
        self.tables.end_pauses()
        self.recover()

    def worker(self, arm: str = "") -> Process:
        """Return a recovery worker at work."""
        return self._started(self._fork_server.fork("recover", {**self._settings, "failpoints": arm}, **self._more))

    def reconcile(self, since: datetime, arm: str = "") -> int:
        """Compare the bank's list since then with our operations; the wait status."""
        settings, began = {**self._settings, "failpoints": arm}, since.isoformat()
        return self._started(self._fork_server.fork("reconcile", settings, **self._more, since=began)).wait()

    def relay(self, arm: str = "") -> int:
        """Let one relay send what is due; its wait status."""
        relay = self._started(self._fork_server.fork("relay", {**self._settings, "failpoints": arm}, **self._more))
        return relay.wait()

    def needs_a_person(self, key_hash: str) -> bool:
        """Whether a bank that forgets knows nothing of a key, and the service says so: it may not send it again."""
        if not self._is_forgetful:
            return False
        key, known = self.tables.key(key_hash), {effect["gateway_key"] for effect in self.ledger.effects()}
        return key is not None and bool(key["review_reason"]) and key["gateway_key"] not in known

    def close(self) -> None:
        """End every process of the run."""
        for process in self._living:
            process.kill()
        self._exit.close()

    def _started(self, process: Process) -> Process:
        self._living = [other for other in self._living if other.status is None] + [process]
        return process


class WorkerSlot:
    """A bank that many scenarios use in turn."""

    def __init__(self, environment: Environment, simulator: Simulator, name: str) -> None:
        self._environment = environment
        self._simulator = simulator
        self._name = name
        self._scenes = 0

    @contextmanager
    def scenario(
        self,
        kind: Database,
        mutant: str | None = None,
        gateway: Mapping[str, Any] | None = None,
        adapter: Adapter = "remote",
        **settings: Any,
    ) -> Iterator[Scenario]:
        """Yield a scenario on a fresh database; `settings` are its services' own."""
        with self._environment.database(kind, f"crash_{self._name}") as url:
            self._scenes += 1
            name = f"{kind}{self._scenes}"
            fork_server, bank = self._environment.fork_server, self._simulator
            scenario = Scenario(name, fork_server, bank, url, mutant, gateway, adapter, **settings)
            try:
                yield scenario
            finally:
                scenario.close()
                self._simulator.disarm()


@contextmanager
def worker_slots(environment: Environment, number: int, **bank: object) -> Iterator[list[WorkerSlot]]:
    """Yield so many worker slots with a bank each; `bank` are the simulator's options."""
    with ExitStack() as stack:
        made = []
        for index in range(number):
            home = environment.home / f"bank-{'-'.join(bank) or 'honest'}-{index}"
            home.mkdir()
            simulator = stack.enter_context(running_simulator(home, **bank))
            made.append(WorkerSlot(environment, simulator, str(index)))
        yield made


@contextmanager
def open_environment(home: Path, postgres: Postgres | None) -> Iterator[Environment]:
    """Yield an environment in the directory `home`; without a server there is SQLite only."""
    fork_server = ForkServer(home / "services.log")
    try:
        environment = Environment(home, fork_server, postgres)
        environment.prepare()
        yield environment
    finally:
        fork_server.close()
