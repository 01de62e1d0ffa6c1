"""The relay: for one sink, claim what is due, send it with no transaction open, mark it after the acknowledgement.

A relay that dies after sending and before marking sends again: at least once, with the same id and bytes. Several
relays work side by side, because each claims only heads of streams and only what no other holds.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

import structlog

from payment_service import clock, metrics
from payment_service.db import Database
from payment_service.delivery.backoff import Backoff
from payment_service.delivery.base import (
    Delivered,
    Refused,
    Rejected,
    Report,
    RetryLater,
    Sink,
    SinkUnavailable,
    Unrouted,
)
from payment_service.delivery.notifications import NotificationListener
from payment_service.domain.deliveries import Delivery
from payment_service.domain.errors import DatabaseUnavailable
from payment_service.failpoints import failpoint
from payment_service.repositories import outbox

log = structlog.get_logger(__name__)

LEASE = 60.0
"""Seconds a delivery is ours: longer than any sink takes for one, shorter than anybody should wait after a crash."""

WHILE_UNDER_WAY = 0.05
"""Seconds to wait for the next report before looking whether there is more to send."""

AFTER_TROUBLE = 1.0
"""Seconds before the next look when the database did not answer, or worse."""

DOWN_AFTER = 3
"""Turns in a row in which there was no sink, before it is left alone: a connection may be lost, and made again."""

AWAY = 0.2
"""Seconds until a delivery that found no sink is due again."""

UNROUTED_DELAYS = (5.0, 20.0)
"""Seconds until a message that no queue takes is sent again. Then it is listed as UNROUTED, and holds up no other."""

LEFT_ALONE = Backoff(first=0.5, longest=15.0, patience=float("inf"))
"""How long a sink that is down is left alone: what waits for it is sent within seconds of its return."""


class Relay:
    """The way of events to one sink. `lease`: seconds, for tests that cannot wait for another's to end."""

    def __init__(self, database: Database, sink: Sink, lease: float = LEASE) -> None:
        self.sink = sink
        self.database = database
        self._lease = lease
        self._owner = ""
        self._owners: dict[int, str] = {}
        self._unmarked: list[Report] = []
        self._downs = self._pauses = 0
        self._paused_until = 0.0

    def run(self, stop: threading.Event, wait: Callable[[], None]) -> None:
        """Send until `stop` is set, then finish what is in hand; `wait` returns when there may be something to do."""
        log.info("relay.started", sink=self.sink.name)
        while not stop.is_set():
            try:
                if not self.run_once():
                    wait()
            except DatabaseUnavailable:
                log.warning("relay.database_unavailable", sink=self.sink.name)
                stop.wait(AFTER_TROUBLE)
            except Exception:  # whatever it is, the thread must live: a dead one would look like a quiet sink
                log.exception("relay.failed", sink=self.sink.name)
                stop.wait(AFTER_TROUBLE)
        self._finish()
        log.info("relay.stopped", sink=self.sink.name)

    def run_once(self) -> bool:
        """Mark what was reported, then claim what there is room for and put it on its way; whether there is work.

        Collecting comes first: whatever the database does, the sink is listened to.
        """
        self._unmarked += self.sink.poll(WHILE_UNDER_WAY if self._owners else 0)
        if self._unmarked:
            failpoint("relay.sent")
            self._mark_reported()
        claimed = self._claim()
        if claimed:
            failpoint("relay.claimed")
            self._send_claimed(claimed)
        return bool(self._owners)

    def _send_claimed(self, claimed: Sequence[Delivery]) -> None:
        """What a sink breaks over will never be reported: it is given up, and tried again when its lease has ended."""
        try:
            self.sink.send(claimed)
        except Exception:
            for delivery in claimed:
                del self._owners[delivery.delivery_id]
            raise

    def _finish(self) -> None:
        self._unmarked += self.sink.close()
        try:
            if self._unmarked:
                self._mark_reported()
        except DatabaseUnavailable:
            log.warning("relay.unmarked", sink=self.sink.name, deliveries=len(self._unmarked))

    def _claim(self) -> Sequence[Delivery]:
        """A quarter of the window at least is claimed at once: one round trip for many."""
        room = self.sink.window - len(self._owners)
        if room < self.sink.window / 4 or clock.monotonic() < self._paused_until:
            return []
        # The name is kept until a claim was answered: what one took whose COMMIT nobody confirmed is found by it.
        owner = self._owner = self._owner or clock.new_hex(32)
        claimed = self.database.run("relay_claim", outbox.claim, self.sink.name, owner, self._lease, room)
        self._owner = ""
        fresh = [delivery for delivery in claimed if delivery.delivery_id not in self._owners]
        # One of ours whose lease ran out, as when the process stood still: still under way, and ours again.
        self._owners |= dict.fromkeys((delivery.delivery_id for delivery in claimed), owner)
        return fresh

    def _mark_reported(self) -> None:
        """Write down what was reported. Where that fails the reports are kept, and marked the next time."""
        known = [report for report in self._unmarked if report.delivery.delivery_id in self._owners]
        results = [self._settlement(report) for report in known]
        self.database.run("relay_mark", outbox.save_results, results)
        for result in results:
            metrics.delivery_attempted(self.sink.name, _outcome(result))
            self._owners.pop(result.delivery_id, None)
        self._note_health(self._unmarked)
        self._unmarked = []

    def _settlement(self, report: Report) -> outbox.DeliveryResult:
        delivery, outcome = report.delivery, report.outcome
        owner = self._owners[delivery.delivery_id]
        if isinstance(outcome, Delivered):
            return outbox.DeliveryResult(delivery.delivery_id, owner, "DELIVERED")
        if isinstance(outcome, SinkUnavailable):
            return outbox.DeliveryResult(delivery.delivery_id, owner, "PENDING", outcome.reason, AWAY, counts=False)
        delay, given_up = self._delay(delivery, outcome), "UNROUTED" if isinstance(outcome, Unrouted) else "DEAD"
        about = {"event_id": str(delivery.event_id), "delivery_id": delivery.delivery_id, "attempts": delivery.attempts}
        if delay is None:
            log.error("delivery.dead", status=given_up, sink=self.sink.name, **about, reason=outcome.reason)
            return outbox.DeliveryResult(delivery.delivery_id, owner, given_up, outcome.reason)
        log.warning("delivery.failed", sink=self.sink.name, **about, reason=outcome.reason, again_in=round(delay, 1))
        return outbox.DeliveryResult(delivery.delivery_id, owner, "PENDING", outcome.reason, delay)

    def _delay(self, delivery: Delivery, outcome: RetryLater | Refused | Unrouted | Rejected) -> float | None:
        """Seconds until the next try; None: no further try."""
        if isinstance(outcome, Rejected):
            return None
        if isinstance(outcome, Unrouted):
            return dict(enumerate(UNROUTED_DELAYS, start=1)).get(delivery.attempts)
        is_refusal = isinstance(outcome, Refused)
        delay = self.sink.backoff.delay(delivery.attempts, clock.jitter(1.0), is_refusal=is_refusal)
        return None if delay is None else max(delay, outcome.after or 0.0)

    def _note_health(self, reports: Sequence[Report]) -> None:
        """Leave a sink alone that is not there, longer each time; one answer of whatever kind, and it is back."""
        downs = [report.outcome for report in reports if isinstance(report.outcome, SinkUnavailable)]
        if len(downs) < len(reports):
            self._downs = self._pauses = 0
            return
        self._downs += 1
        if self._downs >= DOWN_AFTER:
            self._pauses += 1
            pause = LEFT_ALONE.delay(self._pauses, clock.jitter(1.0)) or 0.0
            self._paused_until = clock.monotonic() + pause
            log.warning("relay.sink_down", sink=self.sink.name, reason=downs[-1].reason, again_in=pause)


def _outcome(result: outbox.DeliveryResult) -> str:
    """What a try is called where tries are counted: `down` where there was no sink at all, `failed` if it goes on."""
    return result.status.lower() if result.status != "PENDING" else "failed" if result.counts else "down"


def run_all(database: Database, sinks: Mapping[str, Sink], stop: threading.Event) -> list[threading.Thread]:
    """Start a relay for each sink in a thread of its own: a sick sink holds up no other."""
    if not sinks:
        return []
    wakeup = NotificationListener(database, stop)
    threads = [
        threading.Thread(target=Relay(database, sink).run, args=(stop, wakeup.waiter()), name=f"relay-{name}")
        for name, sink in sinks.items()
    ]
    threads.append(threading.Thread(target=wakeup.run, name="relay-wakeup"))
    for thread in threads:
        thread.start()
    return threads
