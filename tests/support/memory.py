"""Where the files of tests lie: in memory where the system has room there, as nobody is to wait for a disk.

A database on a disk syncs at every COMMIT, an SQLite file some milliseconds long each time. What a process has written
outlives its death in memory as well.
"""

import os
import shutil

DISK, MEMORY = "/tmp", "/dev/shm"  # noqa: S108 - only subdirectories of our own are made there
ENOUGH = 4 * 2**30
"""Bytes: a run needs less than half of that."""


def directory() -> str:
    """The directory for temporary directories: short enough for the path of a Unix socket, and open to every user."""
    roomy = os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free > ENOUGH
    return MEMORY if roomy else DISK
