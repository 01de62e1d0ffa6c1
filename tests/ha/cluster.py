"""Three PostgreSQL servers that Patroni keeps as one primary and two standbys.

But for Raft in etcd's place all settings are as in deploy/ha: synchronous replication, fail-safe mode, and its times.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.ha.consensus import PROGRAMS, Consensus
from tests.ha.network import Loopback, Network
from tests.support.ports import free_port
from tests.support.postgres_binaries import Runner, bin_directory
from tests.support.processes import ROOT
from tests.support.waiting import wait_until

REFERENCE = ROOT / "deploy" / "ha" / "patroni.yml"

UNPRIVILEGED = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
"""PostgreSQL refuses to be root. In a user namespace root's files belong to an ordinary user."""


class Node:
    """One server with its Patroni. `kill()` is the loss of its machine."""

    def __init__(self, number: int, cluster: "Cluster", binaries: Path) -> None:
        self.number = number
        self.name = f"n{number}"
        self.home = cluster.home / self.name
        self.home.mkdir()
        self.address = cluster.network.address(number)
        self.rest = f"http://{self.address}:{cluster.api}"
        self._cluster = cluster
        self._binaries = binaries
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start Patroni, which makes or follows a server, unless it runs."""
        if self._process is not None:
            return
        file = self.home / "patroni.yml"
        file.write_text(yaml.safe_dump(self._settings()))
        unprivileged = UNPRIVILEGED if os.geteuid() == 0 else ()
        command = [*self._cluster.network.prefix(self.number), *unprivileged, str(PROGRAMS / "patroni"), str(file)]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.home,
                env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,
            )

    def kill(self) -> None:
        """kill -9 of everything on this machine at once."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def server(self) -> int:
        """Return the process of the server that all others of it come from."""
        return int((self.home / "data" / "postmaster.pid").read_text().split()[0])

    def server_pids(self) -> list[int]:
        """Return every process of the server."""
        with suppress(OSError, ValueError):
            return _family(self.server())
        return []

    def pids(self) -> list[int]:
        """Patroni and every process of its server."""
        return [*(_family(self._process.pid) if self._process is not None else ()), *self.server_pids()]

    def role(self) -> str:
        """Return Patroni's role of the server: primary, sync_standby, replica, or nothing."""
        with suppress(requests.RequestException, ValueError):
            told = requests.get(f"{self.rest}/patroni", timeout=2).json()
            if told.get("state") == "running":
                return "sync_standby" if told.get("sync_standby") else str(told.get("role", ""))
        return ""

    def log(self) -> str:
        """Return the last log lines of Patroni and the server."""
        file = self.home / "log"
        return file.read_text(errors="replace")[-4000:] if file.exists() else ""

    def _settings(self) -> dict[str, Any]:
        reference: dict[str, Any] = yaml.safe_load(REFERENCE.read_text())
        dynamic = reference["bootstrap"]["dcs"]
        subnet = self._cluster.network.subnet
        return {
            "scope": "payments",
            "name": self.name,
            "restapi": dict.fromkeys(("listen", "connect_address"), f"{self.address}:{self._cluster.api}"),
            "raft": {"partner_addrs": self._cluster.consensus.addresses},
            "bootstrap": {"dcs": dynamic, "initdb": [{"encoding": "UTF8"}, {"locale": "C"}]},
            "postgresql": {
                **dict.fromkeys(("listen", "connect_address"), f"{self.address}:{self._cluster.port}"),
                "data_dir": str(self.home / "data"),
                "bin_dir": str(self._binaries),
                "pgpass": str(self.home / "pgpass"),
                "authentication": {
                    "superuser": {"username": "test"},
                    "replication": {"username": "replicator", "password": "replicator"},
                    "rewind": {"username": "rewind", "password": "rewind"},
                },
                "pg_hba": [f"host all all {subnet} trust", f"host replication all {subnet} trust"],
                # Not durable: no test needs the data after a crash of the machine.
                "parameters": {"unix_socket_directories": str(self.home), "fsync": "off", "max_connections": 100},
            },
        }


SETTLING = 3.0
"""Seconds until each Patroni has heard of changed settings."""

WHOLE = ["primary", "replica", "sync_standby"]


class Cluster:
    """Three nodes. Closing it ends every process that it has started. `template` is a migrated database to copy."""

    template = ""

    def __init__(self, home: Path, network: Network | None = None) -> None:
        home.chmod(0o755)
        self.home = home
        self.network = network or Loopback()
        self.port, self.api = free_port(), free_port()
        self.consensus = Consensus(home, self.network.own)
        binaries = bin_directory(Runner.of_this_process(), home)
        self.nodes = [Node(number, self, binaries) for number in (1, 2, 3)]

    def start(self) -> None:
        """Start everything that does not run; then there is a primary, and two standbys, one of them synchronous."""
        self.consensus.start()
        for node in self.nodes:
            node.start()
        wait_until(lambda: sorted(node.role() for node in self.nodes) == WHOLE, self.logs, 120)

    def primary(self) -> Node | None:
        """Return the node that takes writes, None while there is none."""
        return next((node for node in self.nodes if node.role() == "primary"), None)

    @contextmanager
    def configured(self, changes: Mapping[str, Any]) -> Iterator[None]:
        """Change Patroni's dynamic settings while the block runs."""
        before = self._configure("get", None)
        if changes:
            self._configure("patch", changes)
            time.sleep(SETTLING)
        yield
        if changes:
            self._configure("put", before)
            time.sleep(SETTLING)

    def switch_over(self) -> None:
        """Give the primary's role to the synchronous standby, as for maintenance."""
        before = self.primary()
        assert before is not None
        answer = requests.post(f"{before.rest}/switchover", json={"leader": before.name}, timeout=60)
        assert answer.status_code in {200, 202}, answer.text

    def wait_for_another_primary(self, before: Node, patience: float) -> float:
        """Wait until another node takes writes; return the seconds."""
        began = time.monotonic()
        wait_until(lambda: self.primary() not in {None, before}, self.logs, patience)
        return time.monotonic() - began

    def close(self) -> None:
        """End everything."""
        for node in self.nodes:
            node.kill()
        self.consensus.close()

    def logs(self) -> str:
        """Return the last log lines of each node."""
        return "\n".join(f"{node.name} {node.role()!r}: {node.log()}" for node in self.nodes)

    def _configure(self, method: str, settings: Mapping[str, Any] | None) -> Mapping[str, Any]:
        primary = self.primary()
        assert primary is not None
        answer = requests.request(method, f"{primary.rest}/config", json=settings, timeout=30)
        assert answer.status_code == 200, answer.text
        found: Mapping[str, Any] = answer.json()
        return found


def _family(pid: int) -> list[int]:
    """Return a process and all that come from it."""
    found: list[int] = []
    roots = [pid]
    while roots:
        each = roots.pop()
        if each not in found and Path(f"/proc/{each}").exists():
            found.append(each)
            with suppress(OSError):
                roots += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
    return found
