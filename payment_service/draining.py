"""Whether this service is about to stop. Every process of it knows: they share one byte.

Between being told to stop and stopping it answers as ever, but is not ready: whoever sends it requests can look
elsewhere before it is gone.
"""

import mmap

_told = mmap.mmap(-1, 1)  # anonymous: shared with every process that is forked from this one


def begin() -> None:
    """The service has been told to stop."""
    _told[0] = 1


def begun() -> bool:
    """Whether it has."""
    return _told[0] != 0
