"""Three PostgreSQL servers that Patroni keeps as one primary and two standbys, without any other program.

Patroni's own Raft stands where a deployment has etcd. All other settings are as in deploy/ha: synchronous replication,
fail-safe mode, and its times.
"""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.support.ports import free_port
from tests.support.postgres_binaries import Runner, bin_directory
from tests.support.processes import ROOT
from tests.support.waiting import wait_until

PATRONI = ROOT / "build" / "ha" / "bin" / "patroni"
"""In an environment of its own: `make test-ha` makes it."""

REFERENCE = ROOT / "deploy" / "ha" / "patroni.yml"

UNPRIVILEGED = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
"""PostgreSQL refuses to be root. In a user namespace root's files belong to an ordinary user."""


class Node:
    """One server with its Patroni. `kill()` is the loss of its machine."""

    def __init__(self, name: str, home: Path, binaries: Path) -> None:
        self.name = name
        self.home = home / name
        self.home.mkdir()
        self.port, self.api, self.raft = free_port(), free_port(), free_port()
        self._binaries = binaries
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, others: Sequence["Node"]) -> None:
        """Start Patroni, which makes or follows a server."""
        file = self.home / "patroni.yml"
        file.write_text(yaml.safe_dump(self._settings(others)))
        command = [*(UNPRIVILEGED if os.geteuid() == 0 else ()), str(PATRONI), str(file)]
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
            told = requests.get(f"http://127.0.0.1:{self.api}/patroni", timeout=2).json()
            if told.get("state") == "running":
                return "sync_standby" if told.get("sync_standby") else str(told.get("role", ""))
        return ""

    def log(self) -> str:
        """Return the last log lines of Patroni and the server."""
        file = self.home / "log"
        return file.read_text(errors="replace")[-4000:] if file.exists() else ""

    def _settings(self, others: Sequence["Node"]) -> dict[str, Any]:
        reference: dict[str, Any] = yaml.safe_load(REFERENCE.read_text())
        dynamic = reference["bootstrap"]["dcs"]
        return {
            "scope": "payments",
            "name": self.name,
            "restapi": {"listen": f"127.0.0.1:{self.api}", "connect_address": f"127.0.0.1:{self.api}"},
            "raft": {
                "data_dir": str(self.home / "raft"),
                "self_addr": f"127.0.0.1:{self.raft}",
                "partner_addrs": [f"127.0.0.1:{other.raft}" for other in others],
            },
            "bootstrap": {"dcs": dynamic, "initdb": [{"encoding": "UTF8"}, {"locale": "C"}]},
            "postgresql": {
                "listen": f"127.0.0.1:{self.port}",
                "connect_address": f"127.0.0.1:{self.port}",
                "data_dir": str(self.home / "data"),
                "bin_dir": str(self._binaries),
                "pgpass": str(self.home / "pgpass"),
                "authentication": {
                    "superuser": {"username": "test"},
                    "replication": {"username": "replicator", "password": "replicator"},
                    "rewind": {"username": "rewind", "password": "rewind"},
                },
                "pg_hba": ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"],
                # Not durable: no test needs the data after a crash of the machine.
                "parameters": {"unix_socket_directories": str(self.home), "fsync": "off", "max_connections": 100},
            },
        }


class Cluster:
    """Three nodes. Closing it ends every process that it has started."""

    def __init__(self, home: Path) -> None:
        home.chmod(0o755)
        runner = Runner.of_this_process()
        binaries = bin_directory(runner, home)
        self.nodes = [Node(name, home, binaries) for name in ("n1", "n2", "n3")]

    def start(self) -> None:
        """Start the nodes; there is a primary with a synchronous standby then."""
        for node in self.nodes:
            self.start_node(node)
        wait_until(lambda: self.primary() and self.has_synchronous_standby(), self.logs, 120)

    def start_node(self, node: Node) -> None:
        """Start a node, for the first time or again."""
        node.start([other for other in self.nodes if other is not node])

    def primary(self) -> Node | None:
        """Return the node that takes writes, None while there is none."""
        return next((node for node in self.nodes if node.role() in {"primary", "master"}), None)

    def has_synchronous_standby(self) -> bool:
        """Return whether a standby has every commit that was acknowledged."""
        return any(node.role() == "sync_standby" for node in self.nodes)

    def switch_over(self) -> None:
        """Give the primary's role to the synchronous standby, as for maintenance."""
        before = self.primary()
        assert before is not None
        answer = requests.post(f"http://127.0.0.1:{before.api}/switchover", json={"leader": before.name}, timeout=60)
        assert answer.status_code in {200, 202}, answer.text

    def url(self, database: str, role: str) -> str:
        """Return the address of a database at whichever node takes writes."""
        hosts = ",".join("127.0.0.1" for _ in self.nodes)
        ports = ",".join(str(node.port) for node in self.nodes)
        return f"postgresql://{role}@/{database}?host={hosts}&port={ports}&target_session_attrs=read-write"

    def wait_for_another_primary(self, before: Node, patience: float) -> float:
        """Wait until another node takes writes; return the seconds."""
        began = time.monotonic()
        wait_until(lambda: self.primary() not in {None, before}, self.logs, patience)
        return time.monotonic() - began

    def close(self) -> None:
        """End everything."""
        for node in self.nodes:
            node.kill()

    def logs(self) -> str:
        """Return the last log lines of each node."""
        return "\n".join(f"{node.name} {node.role()!r}: {node.log()}" for node in self.nodes)


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
