"""Waiting for other processes and threads: as short as possible, and never without end."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def wait_until(condition: Callable[[], object], complaint: Callable[[], str] = str, patience: float = 90.0) -> None:
    """Return as soon as `condition()` is true; after `patience` seconds an AssertionError with `complaint()`."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.02)


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Start every call at the same moment, and return the results of all; an exception of one fails the test."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return [running.result() for running in [threads.submit(run, call) for call in calls]]
