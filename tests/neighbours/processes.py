"""The service and its worker as processes of their own over one database, with a gateway that keeps a ledger."""

import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import requests

from tests.crash.tables import Tables
from tests.support.ports import free_port
from tests.support.processes import Service, flask
from tests.support.simulator import running_simulator
from tests.support.tokens import SECRET
from tests.support.waiting import wait_until
from tests.support.workers import wait_while_alive


class Processes:
    """gunicorn, ready; `url` is a client's base URL, `bank` the gateway. The worker runs from `start_worker` on."""

    def __init__(self, database_url: str, home: Path, settings: Mapping[str, str]) -> None:
        self._stack = ExitStack()
        try:
            self.bank = self._stack.enter_context(running_simulator(home, latency_ms=30))
            port = free_port()
            self.url = f"http://127.0.0.1:{port}"
            self._settings = {
                "BIND": f"127.0.0.1:{port}",
                "DATABASE_URL": database_url,
                "GATEWAY_URL": self.bank.url,
                "JWT_SECRET_KEY": SECRET,
                "WEB_CONCURRENCY": "1",
                "TMPDIR": str(home),
                "LOG_LEVEL": "WARNING",
                "DOTENV_READ": "1",  # a developer's .env is not for tests
                **settings,
            }
            service = self._stack.enter_context(closing(Service.gunicorn(self._settings)))
            wait_while_alive(service, self._is_ready)
        except BaseException:
            self.close()
            raise

    def start_worker(self, **changes: str) -> Service:
        """Start `flask worker` with the service's settings, where `changes` name no others."""
        command = (sys.executable, "-m", "flask", "--app", "wsgi", "worker")
        return self._stack.enter_context(closing(Service(*command, settings=self._settings | changes)))

    def ask(
        self, method: str, path: str, body: Any = None, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the body of an answer that must have this status."""
        answer = requests.request(method, self.url + path, json=body, headers=headers, timeout=30)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def deliveries(self, *options: str) -> list[dict[str, Any]]:
        """Return the output of `flask deliveries list`."""
        printed = flask("deliveries", "list", *options, "--json", settings=self._settings)
        return [json.loads(line) for line in printed.splitlines()]

    def wait_until_delivered(self, patience: float = 30.0) -> None:
        """Return when every delivery has been acknowledged."""
        with closing(
            Tables(self._settings["DATABASE_URL"])
        ) as tables:  # a command for every look would keep a core busy
            wait_until(lambda: not tables.undelivered(), lambda: str(tables.undelivered()), patience)
        assert {row["status"] for row in self.deliveries()} == {"DELIVERED"}

    def verify(self) -> None:
        """Check that `flask verify` finds nothing wrong, in the tables or in the gateway's ledger."""
        assert flask("verify", settings=self._settings) == "no violations\n"

    def close(self) -> None:
        """End everything."""
        self._stack.close()

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/health/ready", timeout=10).status_code == 200
        except requests.ConnectionError:
            return False
