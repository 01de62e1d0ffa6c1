"""One measurement of load against a loopback port, by wrk, or by `benchmarks.loader` without wrk."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
_RESULT = re.compile(r"^RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Loaded:
    """The result of one measurement: `refused` are answers of 400 and above, times are milliseconds."""

    requests: int
    seconds: float
    refused: int
    lost: int
    median: float
    p99: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.requests / self.seconds


def load(port: int, connections: int, seconds: float, *words: str) -> Loaded:
    """Send the requests that `wrk.lua` makes of `words` for some seconds, in sequence on each of the connections."""
    if not shutil.which("wrk"):
        command = [sys.executable, "-m", "benchmarks.loader", str(port), str(connections), str(seconds), *words]
    else:
        url = f"http://127.0.0.1:{port}"
        script = str(HERE / "wrk.lua")
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds:g}s",
            "--timeout",
            "10s",
            "-s",
            script,
            url,
            "--",
            *words,
        ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60, cwd=HERE.parent)
    found = _RESULT.search(done.stdout)
    if found is None:
        raise RuntimeError(done.stdout + done.stderr)
    requests, took, refused, lost, median, p99 = map(int, found.groups())
    return Loaded(requests, took / 1e6, refused, lost, median / 1e3, p99 / 1e3)
