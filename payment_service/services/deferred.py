"""Deferred writes on keys: after the database failed, a thread retries them until their owner's lease ends.

So a short outage does not cost the rest of a lease. The thread works under the owner's fence or name: an owner that has
taken over meanwhile notices nothing.
"""

import threading
from collections.abc import Callable

import structlog

from payment_service import clock
from payment_service.connection import TransactionLost
from payment_service.domain.errors import DatabaseUnavailable, KeyInUse

log = structlog.get_logger(__name__)

Work = tuple[float, str, Callable[[], object]]

PAUSE = 0.5
"""Seconds between two tries."""


class Deferred:
    """The deferred writes of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work: list[Work] = []
        self._is_running = False

    def add(self, until: float, name: str, work: Callable[[], object]) -> None:
        """Try `work` until that moment of the monotonic clock, as long as it is False or raises DatabaseUnavailable."""
        with self._lock:
            self._work.append((until, name, work))
            if not self._is_running:
                try:
                    threading.Thread(target=self._run, name="deferred", daemon=True).start()
                    self._is_running = True
                except RuntimeError:  # no thread can start: recovery does it once the lease has ended
                    log.exception("deferred.failed", work=name)

    def _run(self) -> None:
        while self._has_work():
            clock.sleep(PAUSE)
            for each in list(self._work):
                is_away, is_over = _tried(each)
                if is_over:
                    with self._lock:
                        self._work = [other for other in self._work if other is not each]
                if is_away:
                    break  # for all the others as well

    def _has_work(self) -> bool:
        with self._lock:
            self._is_running = bool(self._work)
            return self._is_running


def _tried(each: Work) -> tuple[bool, bool]:
    """Return whether the database is away, and whether nothing is left to do."""
    until, name, work = each
    if clock.monotonic() > until:
        log.warning("deferred.too_late", work=name)
        return False, True
    try:
        if work() is False:
            return False, False
    except TransactionLost:  # a row is locked, or the connection was lost
        return False, False
    except DatabaseUnavailable:
        return True, False
    except KeyInUse:
        log.info("deferred.taken_over", work=name)
    except Exception:  # recovery does it once the lease has ended
        log.exception("deferred.failed", work=name)
    else:
        log.info("deferred.done", work=name)
    return False, True
