"""The only source of time and identity: tests move one clock, and nothing else in the program reads it."""

import os
import random
import secrets
import threading
import time
from datetime import UTC, datetime
from uuid import UUID

_DRAWN_AT_ONCE = 2048  # bytes: the ids of some twenty charges
_drawn = threading.local()


def _forget() -> None:
    """In a child, which has one thread, a copy of whichever made it: its ids would be that thread's next ones."""
    _drawn.__dict__.clear()


os.register_at_fork(after_in_child=_forget)


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds of a clock that never runs backwards; for budgets and waits, never for stored times."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait. Callers hold no transaction and no connection here."""
    time.sleep(seconds)


def new_id() -> UUID:
    """A random identity (UUID version 4)."""
    return UUID(bytes=_random_bytes(16), version=4)


def new_hex(digits: int) -> str:
    """`digits` random hexadecimal digits from the system's secure source."""
    return _random_bytes((digits + 1) // 2).hex()[:digits]


def _random_bytes(count: int) -> bytes:
    """Bytes of the system's secure source, drawn ahead by each thread for itself; none is given twice.

    Who asks the system lets go of the interpreter, and gets it back when all other busy threads have had it: for each
    id of a charge anew, that was a third of all such changes.
    """
    left: bytes = getattr(_drawn, "left", b"")
    if len(left) < count:
        left = os.urandom(max(_DRAWN_AT_ONCE, count))
    _drawn.left = left[count:]
    return left[:count]


def new_text(length: int, alphabet: str) -> str:
    """`length` random characters of `alphabet` from the system's secure source."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


def jitter(seconds: float) -> float:
    """A random share of `seconds`: simultaneous losers of a race do not come back simultaneously."""
    return random.uniform(0.0, seconds)  # noqa: S311 - spreads load, guards nothing
