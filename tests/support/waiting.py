"""Waiting for what happens elsewhere: as short as possible, and never for ever."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], complaint: Callable[[], str] = str, patience: float = 30.0) -> None:
    """Return as soon as `condition()` is true; after `patience` seconds an AssertionError with `complaint()`."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.02)
