"""Processes that stand still, as those of a paused machine do."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def standing_still(processes: Callable[[], Iterable[int]]) -> Iterator[None]:
    """Stop all of `processes()` while the block runs, also those that were forked while the others were stopped."""
    stopped: set[int] = set()
    while missing := set(processes()) - stopped:
        for pid in missing:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        stopped |= missing
    try:
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
