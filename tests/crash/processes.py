"""Service processes for the trials: forked by a fork server, watched by file descriptor, killed by group."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support.processes import ROOT, environment

PATIENCE = 60.0
"""Seconds until a process that does not do what it must is given up."""


class Process:
    """One forked process: `port` is the port it listens on, None for a command that ends alone."""

    def __init__(self, fork_server: "ForkServer", pid: int, port: int | None) -> None:
        self.pid = pid
        self.port = port or 0
        self._fork_server = fork_server
        # Opened before anybody can reap the process: from here on the number cannot mean another one.
        self._watch = os.pidfd_open(pid)
        self.status: int | None = None

    def kill(self) -> None:
        """SIGKILL to everything it is made of, and wait until it is gone; it may be gone already."""
        if self.status is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.wait()

    def resume(self) -> None:
        """Go on after SIGSTOP."""
        signal.pidfd_send_signal(self._watch, signal.SIGCONT)

    def wait(self, patience: float = PATIENCE) -> int:
        """Return when it has ended; its wait status, 0 for a good end."""
        if self.status is None:
            assert self._has_ended(patience), f"process {self.pid} does not end"
            self.status = self._fork_server.reap(self.pid)
            os.close(self._watch)
        return self.status

    def wait_until_stopped(self) -> None:
        """Return when SIGSTOP has reached it."""
        deadline = time.monotonic() + PATIENCE
        while not self.is_stopped:
            assert time.monotonic() < deadline, f"process {self.pid} does not stop"
            time.sleep(0.005)

    @property
    def has_ended(self) -> bool:
        """Whether it is gone."""
        return self.status is not None or self._has_ended(0)

    def _has_ended(self, patience: float) -> bool:
        poll = select.poll()
        poll.register(self._watch, select.POLLIN)
        return bool(poll.poll(patience * 1000))

    @property
    def is_stopped(self) -> bool:
        """Whether SIGSTOP holds it."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


class ForkServer:
    """The process that imported the service once; safe to share between threads."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._lock = threading.Lock()
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.fork_server"],
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )

    def fork(self, role: str, settings: Mapping[str, Any], **more: Any) -> Process:
        """Return a new process in a role (`serve`, `recover`, `relay`, `migrate`) with these settings."""
        order = {"do": role, "settings": dict(settings), "log": str(self.log), **more}
        with self._lock:
            reply = self._say(order)
            return Process(self, reply["pid"], reply["port"])

    def reap(self, pid: int) -> int:
        """Return the wait status of a process that has ended."""
        with self._lock:
            return int(self._say({"do": "reap", "pid": pid})["status"])

    def close(self) -> None:
        """End the process and all its children."""
        self._process.communicate(timeout=PATIENCE)

    def _say(self, order: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the fork server is gone:\n{self.log.read_text()[-3000:]}"
        return json.loads(line)
