"""`make ha`: fail-overs by their names, so often, a line of JSON for each; exit code 1 where something is wrong."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import get_args

from tests.ha.run import Fault, run
from tests.support.memory import directory

MOST = 5
"""Violations shown of a run."""


def main() -> int:
    """Run the requested faults."""
    parser = argparse.ArgumentParser(description="Fail over, then count.")
    parser.add_argument("--fault", action="append", choices=get_args(Fault), help="repeatable; all by default")
    parser.add_argument("--runs", type=int, default=1, help="of each")
    given = parser.parse_args()
    wrong = False
    for _ in range(given.runs):
        for fault in given.fault or get_args(Fault):
            with tempfile.TemporaryDirectory(prefix="ha-", dir=directory(), ignore_cleanup_errors=True) as home:
                report = run(fault, Path(home))
            wrong |= bool(report.violations)
            report.violations[MOST:] = [f"and {len(report.violations) - MOST} more"] * (len(report.violations) > MOST)
            print(report, flush=True)  # noqa: T201 - the result
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
