"""The files in which processes count, one set for each process: read together, and merged after its end."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prometheus_client.metrics_core import Metric

# Private, and the only way to merge the file of a dead process into another: the library never removes such files.
# requirements.in limits the library to the minor versions that this is tested with.
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

GONE = "gone"
"""In place of a process's number: the counts of all ended processes."""


def of_all_processes(directory: str) -> list[Metric]:
    """Return the sum of all processes' counts."""
    with _turn(directory, fcntl.LOCK_SH):
        return list(MultiProcessCollector(None, directory).collect())


def absorb(directory: str) -> None:
    """Add the counts of ended processes to the common file of such processes, and remove their files.

    Every worker is replaced after some thousands of requests: without this a scrape would read more files every hour.
    During a read it does nothing and leaves the files for the next time: a reader that hangs must not block it.
    """
    with suppress(BlockingIOError), _turn(directory, fcntl.LOCK_EX | fcntl.LOCK_NB):
        for path in _left_behind(directory):
            everybody = MmapedDict(str(path.with_name(f"{path.stem.rpartition('_')[0]}_{GONE}.db")))
            for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path)):
                everybody.write_value(key, everybody.read_value(key)[0] + value, 0.0)
            everybody.close()
            path.unlink()


def begin(directory: str) -> None:
    """Make the directory, and remove the files of earlier processes: they would be added to ours."""
    Path(directory).mkdir(parents=True, exist_ok=True)
    for path in (*_left_behind(directory), *Path(directory).glob(f"*_{GONE}.db")):
        path.unlink()


def _left_behind(directory: str) -> list[Path]:
    return [path for path in Path(directory).glob("*_[0-9]*.db") if not _lives(int(path.stem.rpartition("_")[2]))]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # only tests if the process exists
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _turn(directory: str, mode: int) -> Iterator[None]:
    """Hold the directory's lock: no process reads while a process's counts are in two files."""
    with (Path(directory) / "lock").open("a") as lock:
        fcntl.flock(lock, mode)
        yield
