"""The gateway simulator as a process of its own: a bank that outlives the service, can misbehave, and can be killed."""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

ROOT = Path(__file__).resolve().parents[2]

PATIENCE = 60.0
"""Seconds until a simulator that does not start or stop is given up; both take a fraction of one when all is well."""


class Simulator:
    """A simulator over the ledger `home/gateway.sqlite`; `options` are its command line's (`latency_ms=50`).

    `url` is the same after every restart, and so is the ledger.
    """

    def __init__(self, home: Path, **options: object) -> None:
        self.home = home
        self.ledger_path = home / "gateway.sqlite"
        self._options = [text for name, value in options.items() for text in _option(name, value)]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self._http = requests.Session()
        self._http.trust_env = False

    @property
    def pid(self) -> int:
        """The process to do harm to."""
        assert self._process is not None, "the simulator does not run"
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it was started and neither stopped nor killed since."""
        return self._process is not None

    def start(self) -> "Simulator":
        """Start it and wait until it accepts connections; after the first time, on the same port again."""
        assert self._process is None, "the simulator runs already"
        command = [sys.executable, "-m", "simulator", "--until-stdin-ends"]
        command += ["--ledger", str(self.ledger_path), "--port", str(urlsplit(self.url).port or 0), *self._options]
        with (self.home / "simulator.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        self.url = self._first_line()
        return self

    def stop(self) -> int:
        """Send SIGTERM: it finishes its requests; return its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Send SIGKILL: it finishes nothing."""
        return self._end(signal.SIGKILL)

    def close(self) -> None:
        """Be done with it, running or not."""
        if self._process is not None:
            self.kill()
        self._http.close()

    def arm(self, fault: str, **scope: object) -> None:
        """Program a fault: `arm("drop_after_effect", kind="refund", times=1)`; see `simulator.faults.InjectedFault`."""
        answer = self._http.post(f"{self.url}/faults", json={"fault": fault, **scope}, timeout=PATIENCE)
        assert answer.status_code == 201, answer.text

    def disarm(self) -> None:
        """Make it behave again."""
        assert self._http.delete(f"{self.url}/faults", timeout=PATIENCE).status_code == 204

    def effects(self) -> list[dict[str, Any]]:
        """Return every ledger entry, oldest first: `{id, gateway_key, kind, amount, currency}`."""
        found: list[dict[str, Any]] = []
        cursor: int | None = 0
        while cursor is not None:
            page = self._http.get(f"{self.url}/effects?after={cursor}&limit=500", timeout=PATIENCE).json()
            found += page["effects"]
            cursor = page["next"]
        return found

    def count(self, kind: str | None = None) -> Counter[str]:
        """Return how often each gateway key moved money; of one kind, or of any. More than 1 is a double charge."""
        return Counter(effect["gateway_key"] for effect in self.effects() if kind in {None, effect["kind"]})

    def wait_for(self, gateway_key: str) -> None:
        """Return when the money of this key has moved, whether or not any caller has heard of it."""
        deadline = time.monotonic() + PATIENCE
        while not self.count()[gateway_key]:
            assert time.monotonic() < deadline, "the money never moved"
            time.sleep(0.02)

    def wait_until_struck(self) -> None:
        """Return when every armed fault has been used up."""
        deadline = time.monotonic() + PATIENCE
        while self._http.get(f"{self.url}/faults", timeout=PATIENCE).json():
            assert time.monotonic() < deadline, "a fault was never met"
            time.sleep(0.02)

    def log(self) -> str:
        """Return its output on standard error."""
        return (self.home / "simulator.log").read_text()

    def _first_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if selector.select(PATIENCE) and (line := self._process.stdout.readline()):
                return line.decode().strip()
        self.kill()
        raise RuntimeError(f"the simulator does not start:\n{self.log()}")

    def _end(self, number: int) -> int:
        process, self._process = self._process, None
        assert process is not None, "the simulator does not run"
        os.kill(process.pid, number)
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            process.communicate()


@contextmanager
def running_simulator(home: Path, **options: object) -> Iterator[Simulator]:
    """Yield a simulator with its ledger and log in the directory `home`, gone at the end.

    Unless `options` say otherwise, it approves every checkout: its own rate would decline one in twenty random keys.
    """
    simulator = Simulator(home, **{"checkout_success_rate": 1, **options})
    try:
        yield simulator.start()
    finally:
        simulator.close()


def _option(name: str, value: object) -> list[str]:
    flag = "--" + name.replace("_", "-")
    return [flag] if value is True else [flag, str(value)]
