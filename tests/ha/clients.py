"""Clients that pay all the time, and remember when they heard what."""

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import requests

from tests.crash.caller import Intent, ask
from tests.crash.load import Load

LONG = 10.0
"""Seconds after which a client calls an answer missing."""

OUTAGE = 1.0
"""Seconds without a payment from which on the database counts as away."""

LOOKS = 0.25
"""Seconds from one look at readiness to the next."""

NEAR = 0.5
"""Seconds to each side of a look in which charges show whether the service took them."""

AT_ONCE = 1.2
"""Seconds: a charge that is taken later had to wait for the database, which readiness calls "not ready"."""


@dataclass(frozen=True)
class Attempt:
    """One request of a client; `status` is 0 where no answer came."""

    began: float
    ended: float
    status: int
    intent: Intent

    @property
    def taken(self) -> bool | None:
        """Whether the charge was taken at once, or not at all; None where it is neither."""
        if self.status == 200:
            return True if self.ended - self.began < AT_ONCE else None
        return None if self.status == 409 else False


class TimedLoad(Load):
    """A load that knows when answers came. `hangs` counts those that did not come in time."""

    patience = 60.0

    def __init__(self, name: str, port: int, clients: int) -> None:
        super().__init__(name, port, clients)
        self.attempts: list[Attempt] = []
        self.hangs = 0

    @property
    def granted(self) -> list[Attempt]:
        """The attempts that ended a wish, in their order."""
        return sorted((each for each in list(self.attempts) if each.status == 200), key=lambda each: each.ended)

    def outages(self) -> list[tuple[float, float]]:
        """Return from when to when no payment came through, where that was long."""
        return [each for each in _pauses(each.ended for each in self.granted) if each[1] - each[0] > OUTAGE]

    def gap(self) -> float:
        """Return the longest time without a payment."""
        return max((after - before for before, after in _pauses(each.ended for each in self.granted)), default=0.0)

    def waited(self) -> float:
        """Return the longest time for which a client waited for its payment while others' came through."""
        outages, first = self.outages(), dict[str, float]()
        for each in self.attempts:
            first[each.intent.label] = min(each.began, first.get(each.intent.label, each.began))
        backs = [back for _, back in outages]
        return max(
            (
                each.ended - max(first[each.intent.label], *(back for back in backs if back <= each.ended), 0.0)
                for each in self.granted
            ),
            default=0.0,
        )

    def refusing(self) -> float:
        """Return for how many seconds there were answers 503."""
        times = [each.ended for each in self.attempts if each.status == 503]
        return sum(after - before for before, after in _pauses(times) if after - before < OUTAGE)

    def repeat_all(self) -> int:
        """Ask for every payment once more; return how many answers were not the same, or not marked as a replay."""
        wishes = [intent for intent in self.intents if intent.finals]
        with ThreadPoolExecutor(4) as threads:
            return sum(threads.map(self._differs, wishes))

    def _differs(self, intent: Intent) -> bool:
        first, again = intent.finals[0], ask(self._port, intent.request())
        if again is not None:
            intent.heard.append(again)
        return again is None or again.said != first.said or not again.replayed

    def _ask(self, intent: Intent) -> None:
        began, before = time.monotonic(), len(intent.heard)
        try:
            super()._ask(intent)
        except TimeoutError:
            self.hangs += 1
        ended = time.monotonic()
        if ended - began > LONG:
            self.hangs += 1
        status = intent.heard[-1].status if len(intent.heard) > before else 0
        self.attempts.append(Attempt(began, ended, status, intent))


class Watch:
    """Asks for readiness again and again: ready must mean that a charge is taken, and not ready that none is."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.looks: list[tuple[float, int, float]] = []

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()

    def slowest(self) -> float:
        """Return seconds of the slowest answer."""
        return max((seconds for _, _, seconds in self.looks), default=0.0)

    def wrong(self, attempts: Sequence[Attempt]) -> tuple[float, float]:
        """Return for how many seconds it was ready while no charge was taken, and not ready while all were."""
        ready = unready = 0.0
        for began, status, seconds in self.looks:
            near = {each.taken for each in attempts if abs(each.began - began) < NEAR}
            if status == 200 and False in near and True not in near:
                ready += LOOKS + seconds
            # It looks for as long as a charge may wait: one that began meanwhile and had to wait proves it right.
            during = {each.taken for each in attempts if began <= each.began <= began + max(seconds, NEAR)}
            if status == 503 and during == {True}:
                unready += LOOKS + seconds
        return ready, unready

    def _look(self) -> None:
        while not self._stop.wait(LOOKS):
            began = time.monotonic()
            try:
                status = requests.get(f"http://127.0.0.1:{self._port}/health/ready", timeout=LONG).status_code
            except requests.RequestException:
                status = 0
            self.looks.append((began, status, time.monotonic() - began))


def _pauses(moments: Iterable[float]) -> list[tuple[float, float]]:
    times = sorted(moments)
    return list(pairwise(times))
