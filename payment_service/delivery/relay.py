"""The relay of one sink: claims due deliveries, sends them with no transaction open, marks acknowledged ones.

A relay that crashes after sending and before marking sends again: at least once, with the same id and bytes. Several
relays work side by side, because each claims only the first delivery of an ordering key, and only if no other holds it.
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
"""Seconds of a claim: longer than any sink takes for one delivery, short enough for a takeover after a crash."""

WHILE_UNDER_WAY = 0.05
"""Seconds to wait for the next report before the relay looks for more to send."""

AFTER_TROUBLE = 1.0
"""Seconds before the next attempt after the database did not answer, or after an unexpected error."""

DOWN_AFTER = 3
"""Turns in a row without the sink before a pause: a connection may be lost, and made again."""

AWAY = 0.2
"""Seconds until a delivery that did not reach its sink is due again."""

UNROUTED_DELAYS = (5.0, 20.0)
"""Seconds until a message that no queue takes is sent again. Then it is listed as UNROUTED, and holds up no other."""

LEFT_ALONE = Backoff(first=0.5, longest=15.0, patience=float("inf"))
"""The pauses for a sink that is down: its deliveries are sent within seconds of its return."""


class Relay:
    """Sends the events of one sink. `lease`: seconds, for tests that cannot wait for another owner's to end."""

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
        """Send until `stop` is set, then finish deliveries under way; `wait` returns when there may be work."""
        log.info("relay.started", sink=self.sink.name)
        while not stop.is_set():
            try:
                if not self.run_once():
                    wait()
            except DatabaseUnavailable:
                log.warning("relay.database_unavailable", sink=self.sink.name)
                stop.wait(AFTER_TROUBLE)
            except Exception:  # the thread must survive: a dead one would look like a quiet sink
                log.exception("relay.failed", sink=self.sink.name)
                stop.wait(AFTER_TROUBLE)
        self._finish()
        log.info("relay.stopped", sink=self.sink.name)

    def run_once(self) -> bool:
        """Mark reported deliveries, then claim and send as many as there is room for; return True if any are under way.

        The sink is polled first, so that its reports are collected even if the database fails.
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
        """Send them. If the sink raises, it will never report them: forget them, and retry after their lease."""
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
        """Claim at least a quarter of the window at once: one round trip for many."""
        room = self.sink.window - len(self._owners)
        if room < self.sink.window / 4 or clock.monotonic() < self._paused_until:
            return []
        # The owner stays the same until a claim returns: it finds deliveries of a claim with an unconfirmed COMMIT.
        owner = self._owner = self._owner or clock.new_hex(32)
        claimed = self.database.run("relay_claim", outbox.claim, self.sink.name, owner, self._lease, room)
        self._owner = ""
        fresh = [delivery for delivery in claimed if delivery.delivery_id not in self._owners]
        # The lease of one of ours ended, for example in a stopped process: it is still under way, and ours again.
        self._owners |= dict.fromkeys((delivery.delivery_id for delivery in claimed), owner)
        return fresh

    def _mark_reported(self) -> None:
        """Store the reported outcomes. If that fails, keep the reports and mark them the next time."""
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
        """Return the seconds until the next attempt; None: no further attempt."""
        if isinstance(outcome, Rejected):
            return None
        if isinstance(outcome, Unrouted):
            return dict(enumerate(UNROUTED_DELAYS, start=1)).get(delivery.attempts)
        is_refusal = isinstance(outcome, Refused)
        delay = self.sink.backoff.delay(delivery.attempts, clock.jitter(1.0), is_refusal=is_refusal)
        return None if delay is None else max(delay, outcome.after or 0.0)

    def _note_health(self, reports: Sequence[Report]) -> None:
        """Pause a sink that is out of reach, longer each time; any reply of it ends the pauses."""
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
    """Return the attempt's name in the metrics: `down` if the sink was out of reach, `failed` before a retry."""
    return result.status.lower() if result.status != "PENDING" else "failed" if result.counts else "down"


def run_all(database: Database, sinks: Mapping[str, Sink], stop: threading.Event) -> list[threading.Thread]:
    """Start a relay for each sink in its own thread: a failing sink holds up no other."""
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
