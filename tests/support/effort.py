"""The work of a call, by the CPU's clock: the time of other processes and the garbage collector does not count."""

import time
from collections.abc import Callable

TRIES, MOST_TRIES = 5, 50


def least_work(call: Callable[[], object]) -> float:
    """Return the seconds of this thread's work in the lightest of a few calls."""
    return min(_work(call) for _ in range(TRIES))


def is_within(seconds: float, call: Callable[[], object]) -> bool:
    """Return whether any of many calls takes at most so much work: a busy machine makes most of them slower."""
    return any(_work(call) <= seconds for _ in range(MOST_TRIES))


def _work(call: Callable[[], object]) -> float:
    before = time.thread_time()
    call()
    return time.thread_time() - before
