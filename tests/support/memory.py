"""The folder for tests' files: in memory where the system has room there, so that no test waits for a disk.

A database on a disk syncs at every COMMIT, an SQLite file some milliseconds long each time. In memory, too, a process's
writes outlive its death.
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
