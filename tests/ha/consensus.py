"""The three members that know which server is the primary: Patroni's own Raft stands where a deployment has etcd."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import yaml

from tests.support.ports import free_port
from tests.support.processes import ROOT
from tests.support.waiting import wait_until

PROGRAMS = ROOT / "build" / "ha" / "bin"
"""In an environment of their own: `make test-ha` makes it."""


class Consensus:
    """Three members that all machines reach at the address `own`."""

    def __init__(self, home: Path, own: str) -> None:
        self.home = home / "consensus"
        self.home.mkdir()
        self.addresses = [f"{own}:{free_port()}" for _ in range(3)]
        self._members: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start the members that do not run."""
        for address in self.addresses:
            member = self._members.get(address)
            if member is None or member.poll() is not None:
                self._members[address] = self._started(address)

    def pids(self, count: int) -> list[int]:
        """Return the processes of the leader and `count` - 1 others."""
        leading = self._leader()
        others = [address for address in self.addresses if address != leading]
        return [self._members[address].pid for address in (leading, *others)[:count]]

    def kill_leader(self) -> None:
        """kill -9 of the member that leads."""
        os.kill(self.pids(1)[0], signal.SIGKILL)

    def close(self) -> None:
        """End all members."""
        for member in self._members.values():
            member.kill()
            member.wait()

    def log(self) -> str:
        """Return the last lines of the members."""
        file = self.home / "log"
        return file.read_text(errors="replace")[-2000:] if file.exists() else ""

    def _started(self, address: str) -> subprocess.Popen[bytes]:
        partners = [other for other in self.addresses if other != address]
        settings = {"raft": {"data_dir": str(self.home), "self_addr": address, "partner_addrs": partners}}
        file = self.home / f"{address}.yml"
        file.write_text(yaml.safe_dump(settings))
        return self._run("patroni_raft_controller", str(file))

    def _run(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.home / "log").open("ab") as log:
            return subprocess.Popen(
                [str(PROGRAMS / program), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _leader(self) -> str:
        found: Sequence[str] = ()

        def ask() -> bool:
            nonlocal found
            for address in self.addresses:
                with suppress(subprocess.SubprocessError):
                    command = [str(PROGRAMS / "syncobj_admin"), "-conn", address, "-status"]
                    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=5).stdout
                    words = [line.split()[1] for line in said.splitlines() if line.startswith("leader: ")]
                    found = [word for word in words if word in self.addresses]
                if found:
                    return True
            return False

        wait_until(ask, self.log, 20)
        return found[0]
