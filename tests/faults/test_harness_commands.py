"""The harnesses run by their commands, as their long runs do; their own tests call functions of them."""

import json
import subprocess
import sys

import pytest

from tests.support.processes import ROOT, environment


@pytest.mark.parametrize(
    "words",
    [
        ("tests.crash.runner", "--seed", "1", "--trials", "1", "--point", "C1"),
        ("tests.model", "--seed", "1", "--operations", "40"),
        ("tests.torture", "--seed", "1", "--stories", "2"),
        ("tests.support.refusals", "--seed", "1", "--requests", "40"),
    ],
    ids=lambda words: words[0],
)
def test_command_of_a_harness_reports_each_database_and_no_fault(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", *words]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment(), timeout=300
    )

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert {json.loads(line)["database"] for line in done.stdout.splitlines()} == {"postgresql", "sqlite"}
