"""How much work a call is, by the CPU's clock: what other processes and the garbage collector take does not count."""

import time
from collections.abc import Callable

TRIES = 3


def least_work(call: Callable[[], object]) -> float:
    """The seconds of this thread's work in the lightest of a few calls."""
    return min(_work(call) for _ in range(TRIES))


def _work(call: Callable[[], object]) -> float:
    before = time.thread_time()
    call()
    return time.thread_time() - before
