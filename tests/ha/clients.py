"""Clients that pay all the time, and remember when they heard what."""

import threading
import time
from itertools import pairwise

import requests

from tests.crash.caller import Intent
from tests.crash.load import Load

LONG = 10.0
"""Seconds after which a client calls an answer missing."""

TURN = 2.0
"""Seconds for which readiness may lag behind the truth, either way."""


class TimedLoad(Load):
    """A load that knows when answers came. `hangs` counts those that did not come in time."""

    def __init__(self, name: str, port: int, clients: int) -> None:
        super().__init__(name, port, clients)
        self.granted: list[tuple[float, Intent]] = []
        self.began: dict[str, float] = {}
        self.hangs = 0

    def waited_since(self, moment: float) -> float:
        """Return the longest wait after `moment` of a client that had asked before it."""
        return max((at - moment for at, intent in self.granted if self.began[intent.label] < moment <= at), default=0.0)

    def gap(self) -> tuple[float, float]:
        """Return the longest time without a payment: its seconds, and the moment at which it ended."""
        times = sorted(at for at, _ in self.granted)
        return max(((after - before, after) for before, after in pairwise(times)), default=(0.0, 0.0))

    def _ask(self, intent: Intent) -> None:
        began = time.monotonic()
        self.began.setdefault(intent.label, began)
        try:
            super()._ask(intent)
        except TimeoutError:
            self.hangs += 1
        if time.monotonic() - began > LONG:
            self.hangs += 1
        if intent.finals:
            self.granted.append((time.monotonic(), intent))


class Watch:
    """Asks for readiness and tries a charge of its own, again and again: ready must mean that a charge is taken."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.ready: list[tuple[float, int, float]] = []

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()

    def slowest(self) -> float:
        """Return seconds of the slowest answer."""
        return max((seconds for _, _, seconds in self.ready), default=0.0)

    def lied(self, moments: list[float]) -> int:
        """Return how many looks found the service ready in the middle of seconds in which no charge went through."""
        return sum(
            status == 200 and not any(abs(moment - at) < TURN for moment in moments) for at, status, _ in self.ready
        )

    def _look(self) -> None:
        while not self._stop.wait(0.25):
            began = time.monotonic()
            try:
                status = requests.get(f"http://127.0.0.1:{self._port}/health/ready", timeout=LONG).status_code
            except requests.RequestException:
                status = 0
            self.ready.append((began, status, time.monotonic() - began))
