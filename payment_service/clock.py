"""The only source of time and identity: tests move one clock, and nothing in the program reads another."""

import random
import secrets
import time
from datetime import UTC, datetime
from uuid import UUID, uuid4


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def naive_text(moment: datetime) -> str:
    """Return an aware moment as the callers' documents write times: `2025-11-03T11:23:00.145775`, UTC unmarked."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def monotonic() -> float:
    """Return the seconds of a clock that never runs backwards; for budgets and waits, never for stored times."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait. Callers hold no transaction and no connection here."""
    time.sleep(seconds)


def new_id() -> UUID:
    """Return a random identity (UUID version 4)."""
    return uuid4()


def new_hex(digits: int) -> str:
    """Return `digits` random hexadecimal digits from the system's secure source."""
    return secrets.token_hex((digits + 1) // 2)[:digits]


def new_text(length: int, alphabet: str) -> str:
    """Return `length` random characters of `alphabet` from the system's secure source."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


def jitter(seconds: float) -> float:
    """Return a random share of `seconds`: simultaneous losers of a race do not come back simultaneously."""
    return random.uniform(0.0, seconds)  # noqa: S311 - spreads load, guards nothing
