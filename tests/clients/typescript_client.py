"""The client for TypeScript as the tests call it: built from its lock, and driven by lines of JSON."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from select import select
from subprocess import PIPE, Popen
from typing import Any

from tests.clients.under_test import Call, Outcome, Try
from tests.support.npm import install, make, node
from tests.support.processes import ROOT

PACKAGE = ROOT / "clients" / "typescript"
DRIVER = Path(__file__).with_name("driver.mjs")
ENVIRONMENT = {"TZ": "Asia/Kolkata"}
"""Moments of the service are in UTC, wherever the client runs."""
PATIENCE = 60


@cache
def build() -> None:
    """Install the compiler and build the client."""
    install("clients/typescript", "TYPESCRIPT IS MISSING and npm cannot install it: its client was not tested")
    done = make("clients/typescript", "clients/typescript/dist")
    assert done.returncode == 0, done.stdout + done.stderr


class TypeScriptClient:
    """Calls the client in a process of Node."""

    name = "typescript"

    def __init__(self, process: "Popen[str]") -> None:
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
        assert select([self._process.stdout], [], [], PATIENCE)[0], "the call does not end"
        line = self._process.stdout.readline()
        assert line, "the driver ended"
        return json.loads(line)


@contextmanager
def typescript_client() -> Iterator[TypeScriptClient]:
    """Build the client and run its driver for the block."""
    build()
    command = [str(node()), "--unhandled-rejections=strict", str(DRIVER)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=ENVIRONMENT) as process:
        try:
            yield TypeScriptClient(process)
        finally:
            process.kill()
