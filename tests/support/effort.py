"""The work of a call, by the CPU's clock: the time of other processes and the garbage collector does not count."""

import time
from collections.abc import Callable

TRIES, MOST_TRIES = 5, 50
LOOP_SECONDS = 0.006
"""The work of the loop on a machine of ordinary speed that does nothing else."""


def least_work(call: Callable[[], object]) -> float:
    """Return the seconds of this thread's work in the lightest of a few calls."""
    return min(_work(call) for _ in range(TRIES))


def is_within(seconds: float, call: Callable[[], object]) -> bool:
    """Return whether any of many calls takes at most so much work.

    A machine that other machines slow down gets more, by what a known loop takes beside the call.
    """
    return any(_work(call) <= seconds * max(1.0, _work(_loop) / LOOP_SECONDS) for _ in range(MOST_TRIES))


def _loop() -> None:
    sum(number & 7 for number in range(100_000))


def _work(call: Callable[[], object]) -> float:
    before = time.thread_time()
    call()
    return time.thread_time() - before
