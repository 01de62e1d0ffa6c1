"""The Postman collection, run by newman the way `make postman` runs it, against a real service process."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.npm import install
from tests.support.processes import ROOT, environment
from tests.support.served import Served, served


def make(*words: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `make` with the tools of the running environment, without a new installation."""
    tools = (f"BIN={Path(sys.executable).parent}", "--old-file=.venv/.requirements-dev.txt")
    command = ["make", "--no-print-directory", *tools, *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=env, timeout=300)


@pytest.fixture(scope="module")
def newman() -> None:
    """Install Newman from its lock; without npm's registry the tests are skipped, and under CI=true they fail."""
    install("postman", "NEWMAN IS MISSING and npm cannot install it: the Postman collection was not run")


@pytest.fixture(scope="module")
def service(newman: None) -> Iterator[Served]:
    with served() as running:
        yield running


def run_collection(service: Served) -> subprocess.CompletedProcess[str]:
    return make("postman", f"BASE_URL={service.url}", env=environment())


def failed_and_executed(output: str) -> tuple[int, int]:
    """Return the counts of assertions in newman's closing table."""
    executed, failed = re.findall(r"│ +assertions │ +([0-9]+) │ +([0-9]+) │", output)[-1]
    return int(failed), int(executed)


def test_every_assertion_holds_twice_on_the_same_service(service: Served) -> None:
    results = [run_collection(service) for _ in range(2)]
    found = [(result.returncode, *failed_and_executed(result.stdout)) for result in results]
    assert [each[:2] for each in found] == [(0, 0)] * 2, results[-1].stdout
    assert min(executed for *_, executed in found) > 100


@pytest.mark.usefixtures("newman")
def test_collection_fails_at_a_service_that_charges_nothing() -> None:
    with served(GATEWAY_SUCCESS_RATE="0") as declining:
        result = run_collection(declining)

    assert result.returncode != 0
    assert failed_and_executed(result.stdout)[0] > 0
