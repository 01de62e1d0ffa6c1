"""The service as production runs it: nginx, two instances of gunicorn, PgBouncer, a worker, a bank and a receiver."""

import json
import os
import signal
from contextlib import ExitStack, closing
from pathlib import Path

import requests

from tests.conftest import fresh_database
from tests.support.nginx import Nginx
from tests.support.pgbouncer import PgBouncer, limit_role
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.processes import Service
from tests.support.receiver import Receiver
from tests.support.simulator import running_simulator
from tests.support.waiting import wait_until
from tests.support.workers import relay, wait_while_alive

PATIENCE = {
    "GATEWAY_CONNECT_TIMEOUT": "0.5",
    "GATEWAY_READ_TIMEOUT": "0.7",
    "GUNICORN_TIMEOUT": "6",
    "NGINX_TIMEOUT": "7",
    "LEASE_SECONDS": "8",
    "IDEMPOTENCY_WAIT": "0.5",
}
"""A killed process needs no long wait."""


class Instance:
    """One gunicorn on a port of its own, which it comes back to."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.port = free_port()
        self._settings = settings | {"SERVICE_PORT": str(self.port)}
        self.service = Service.gunicorn(self._settings)

    def stop(self) -> None:
        """Send SIGTERM, and let it finish its requests."""
        assert self.service.stop() == 0, self.service.last_words()
        self.service.close()

    def kill(self) -> None:
        """SIGKILL to all its processes at once."""
        os.killpg(self.service.process.pid, signal.SIGKILL)
        self.service.close()

    def start(self) -> None:
        """Be back, and ready."""
        self.service = Service.gunicorn(self._settings)
        self.wait()

    def wait(self) -> None:
        """Return when it is ready."""
        wait_while_alive(self.service, self._is_ready)

    def close(self) -> None:
        """Be done with it, running or not."""
        self.service.close()

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/health/ready", timeout=10).status_code == 200
        except requests.ConnectionError:
            return False


class Deployed:
    """Everything, on an empty database of this name; `url` is what clients call."""

    def __init__(self, server: Postgres, database: str, home: Path) -> None:
        self._stack = ExitStack()
        try:
            self._build(server, database, home)
        except BaseException:
            self.close()
            raise

    def _build(self, server: Postgres, database: str, home: Path) -> None:
        use = self._stack.enter_context
        self._stack.callback(server.drop_database, database)
        direct = fresh_database(server, database)
        limit_role(server, database)
        pooler = use(closing(PgBouncer(server, database, pool_size=6).start()))
        self.bank = use(running_simulator(home, latency_ms=30))
        self.receiver = use(closing(Receiver()))
        settings = {"GATEWAY_URL": self.bank.url, "NOTIFICATION_SERVICE_URL": self.receiver.url, "DOTENV_READ": "1"}
        settings |= {"TMPDIR": str(home), "LOG_LEVEL": "WARNING", "WEB_CONCURRENCY": "1", **PATIENCE}
        web = settings | {"DATABASE_URL": pooler.url}
        self.instances = [use(closing(Instance(web))) for _ in range(2)]
        self.relay = use(closing(relay(settings | {"DATABASE_URL": direct})))
        # An instance that was away is tried again after this time; nginx's own default is ten seconds.
        upstream = "; server ".join(f"127.0.0.1:{instance.port} fail_timeout=3s" for instance in self.instances)
        self.nginx = use(closing(Nginx(upstream, read_timeout=7)))
        self.nginx.start()
        self.url = f"http://127.0.0.1:{self.nginx.port}"
        for instance in self.instances:
            instance.wait()

    def answered_by(self, instance: Instance) -> int:
        """Return how many requests this instance has answered through the proxy."""
        lines = [json.loads(line) for line in self.nginx.lines().splitlines()]
        ours = f"127.0.0.1:{instance.port}"
        # A process that took no connection comes before one that answered.
        last = [(line["upstream"].split(", ")[-1], line["upstream_status"].split(", ")[-1]) for line in lines]
        return last.count((ours, "200"))

    def wait_until_it_answers(self, instance: Instance) -> None:
        """Return when the proxy sends it requests again."""
        before = self.answered_by(instance)
        wait_until(lambda: self.answered_by(instance) > before)

    def close(self) -> None:
        """End everything."""
        self._stack.close()
