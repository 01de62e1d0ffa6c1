"""Relays for tests: in threads of this process, driven by hand, or in processes that are killed again and again."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from payment_service.db import Database
from payment_service.delivery.backoff import Backoff
from payment_service.delivery.base import Outcome, Report, Sink
from payment_service.delivery.relay import Relay, run_all
from payment_service.domain.deliveries import Delivery
from tests.support.events import statuses
from tests.support.waiting import wait_until

QUICK = Backoff(first=0.05, longest=0.5)
"""Tries that tests can wait for."""


class ScriptedSink:
    """A sink in this process: `answers` decides, and everything offered is noted in `offered`."""

    window = 20

    def __init__(
        self, answers: Callable[[Delivery], Outcome], name: str = "scripted", backoff: Backoff = QUICK
    ) -> None:
        self.name = name
        self.backoff = backoff
        self.answers = answers
        self.offered: list[Delivery] = []
        self.is_closed = False
        self._reports: list[Report] = []

    def send(self, deliveries: Sequence[Delivery]) -> None:
        self.offered += deliveries
        self._reports += [Report(delivery, self.answers(delivery)) for delivery in deliveries]

    def poll(self, seconds: float) -> list[Report]:
        reports, self._reports = self._reports, []
        return reports

    def close(self) -> list[Report]:
        self.is_closed = True
        return self.poll(0)


@contextmanager
def running(database: Database, *sinks: Sink) -> Iterator[threading.Event]:
    """Run a worker's relays for these sinks, in threads; at the end they finish their work in hand. Set the event to
    stop.
    """
    stop = threading.Event()
    threads = run_all(database, {sink.name: sink for sink in sinks}, stop)
    try:
        yield stop
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=30)
            assert not thread.is_alive(), f"{thread.name} did not end"


def drain(relay: Relay, patience: float = 30.0) -> None:
    """Let a relay work until nothing of its sink is pending."""
    deadline = time.monotonic() + patience
    while relay.run_once() or statuses(relay.database, relay.sink.name).get("PENDING"):
        assert time.monotonic() < deadline, statuses(relay.database, relay.sink.name)
        time.sleep(0.005)


def wait_until_settled(database: Database, sink: str, patience: float = 60.0) -> None:
    """Return when nothing of the sink is pending any more."""
    wait_until(
        lambda: not statuses(database, sink).get("PENDING"), lambda: str(statuses(database, sink)), patience=patience
    )
