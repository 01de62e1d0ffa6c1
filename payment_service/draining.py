"""Draining: the service is about to stop. All its processes know, because they share one byte.

Between the signal and the stop it answers as usual, but is not ready: a proxy can choose another instance in time.
"""

import mmap

_told = mmap.mmap(-1, 1)  # anonymous: shared with every process that is forked from this one


def begin() -> None:
    """Mark that the service is to stop."""
    _told[0] = 1


def begun() -> bool:
    """Return whether it is to stop."""
    return _told[0] != 0
