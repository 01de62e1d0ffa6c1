"""The files in which processes count, one set for each: read together, merged when a process is gone."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prometheus_client.metrics_core import Metric

# Private, and the only way to merge the file of a dead process into another: the library itself keeps such files for
# ever. requirements.in limits the library to the minor versions that this is tested with.
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

GONE = "gone"
"""In place of a process's number: what all those counted that are no more."""


def of_all_processes(directory: str) -> list[Metric]:
    """What every process has counted, added up."""
    with _turn(directory, fcntl.LOCK_SH):
        return list(MultiProcessCollector(None, directory).collect())


def absorb(directory: str) -> None:
    """Add what processes that are gone have counted to what all such processes have, and remove their files.

    Every worker is replaced after some thousands of requests: without this a scrape would read more files every hour.
    While somebody reads it is left for the next time: who waits for a reader that hangs would hang as well.
    """
    with suppress(BlockingIOError), _turn(directory, fcntl.LOCK_EX | fcntl.LOCK_NB):
        for path in _left_behind(directory):
            everybody = MmapedDict(str(path.with_name(f"{path.stem.rpartition('_')[0]}_{GONE}.db")))
            for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path)):
                everybody.write_value(key, everybody.read_value(key)[0] + value, 0.0)
            everybody.close()
            path.unlink()


def begin(directory: str) -> None:
    """Make the directory, and remove what processes long gone have left there: it would be added to ours."""
    Path(directory).mkdir(parents=True, exist_ok=True)
    for path in (*_left_behind(directory), *Path(directory).glob(f"*_{GONE}.db")):
        path.unlink()


def _left_behind(directory: str) -> list[Path]:
    return [path for path in Path(directory).glob("*_[0-9]*.db") if not _lives(int(path.stem.rpartition("_")[2]))]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # asks, and does nothing
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _turn(directory: str, mode: int) -> Iterator[None]:
    """Nobody reads while a process's figures lie in two files."""
    with (Path(directory) / "lock").open("a") as lock:
        fcntl.flock(lock, mode)
        yield
