"""The worker's loops: each repeats its work until it is stopped."""

import threading
from collections.abc import Callable

import structlog

from payment_service import clock
from payment_service.domain.errors import DatabaseUnavailable
from payment_service.services import business_metrics, disputes, expiry, holds, notices, recovery, seals
from payment_service.services.dependencies import Dependencies

log = structlog.get_logger(__name__)

SWEEP_AFTER = 6 * 3600.0
"""Seconds between two readings of the gateways' lists of disputes: notices report them at once, but may be lost."""


def recover_until(engine: Dependencies, interval: float, stop: threading.Event) -> None:
    """Finish undecided operations."""

    def recover_all() -> None:
        # One by one, to check for a stop after each: every key may wait for a silent gateway.
        while not stop.is_set() and (outcomes := recovery.recover(engine, limit=1)):
            log.info("recovery.worked", **outcomes)

    repeat("recovery", recover_all, interval, stop)


def expire_until(engine: Dependencies, interval: float, stop: threading.Event) -> None:
    """Cancel payments that their callers did not charge in time."""

    def expire_all() -> None:
        while not stop.is_set() and expiry.expire(engine) == expiry.BATCH:
            pass

    repeat("expiry", expire_all, interval, stop)


def look_after_holds_until(engine: Dependencies, interval: float, stop: threading.Event) -> None:
    """Look up holds that should have ended, and read the lists of disputes now and then."""
    swept_at: list[float] = []

    def look_again() -> None:
        while not stop.is_set() and holds.look_after(engine, limit=1):
            pass
        if not stop.is_set() and (not swept_at or clock.monotonic() - swept_at[-1] > SWEEP_AFTER):
            swept_at[:] = [clock.monotonic()]
            disputes.sweep(engine)

    repeat("holds", look_again, interval, stop)


def handle_notices_until(engine: Dependencies, interval: float, stop: threading.Event) -> None:
    """Handle gateways' notices."""
    repeat("notices", lambda: handle_all_notices(engine, stop.is_set), interval, stop)


def handle_all_notices(engine: Dependencies, is_stopping: Callable[[], bool]) -> None:
    """Handle the notices that are due now."""
    while not is_stopping() and (outcomes := notices.handle_due(engine, is_stopping)):
        log.info("notices.handled", **outcomes)


def seal_until(engine: Dependencies, interval: float, stop: threading.Event) -> None:
    """Seal the rows of the day before."""

    def seal_all() -> None:
        if made := seals.seal_if_due(engine):
            log.info("journal.sealed", seals=made)

    repeat("seals", seal_all, interval, stop)


def aggregate_until(engine: Dependencies, interval: float, stop: threading.Event) -> None:
    """Add the journal to the business metrics."""

    def aggregate_all() -> None:
        while not stop.is_set() and business_metrics.aggregate(engine) == business_metrics.BATCH:
            pass

    repeat("folding", aggregate_all, interval, stop)


def repeat(name: str, work: Callable[[], None], interval: float, stop: threading.Event) -> None:
    """Do the work every `interval` seconds, also after any error."""
    log.info("background.started", part=name, interval=interval)
    while not stop.is_set():
        try:
            work()
        except DatabaseUnavailable:
            log.warning("background.database_unavailable", part=name)
        except Exception:  # the thread must survive: a dead one would look like nothing to do
            log.exception("background.failed", part=name)
        stop.wait(interval)
    log.info("background.stopped", part=name)
