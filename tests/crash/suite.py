"""The trials that are part of every test run: so many, with which seed, and what must be true of them."""

import os
from random import SystemRandom

from tests.crash.runner import Report, run
from tests.crash.scenario import WorkerSlot
from tests.crash.stages import Adapter, Database

TRIALS = 10
"""At each point, on each database, in every test run; thousands are for `make crash`."""

SEED = int(os.environ.get("CRASH_SEED") or SystemRandom().randrange(10**9))
"""Other trials every time; a failure prints the command that plays its own again."""

FORGETFUL = {"connect_timeout": 0.5, "read_timeout": 0.35, "idempotent_by_key": False, "max_in_flight": 0.8}
"""The adapter's keywords for a bank that repeats every operation that it receives twice."""


TRIALS_ELSEWHERE = 4
"""The same through an adapter that registers first."""


def dies_safely(where: list[WorkerSlot], database: Database, point: str, adapter: Adapter = "remote") -> None:
    """Assert that no trial at this point lost or doubled any money."""
    trials = TRIALS if adapter == "remote" else TRIALS_ELSEWHERE
    first = 0 if adapter == "remote" else SEED % 100  # fewer trials than ways to die: other ones each time
    report = run(where, SEED, point, database, range(first, first + trials), adapter=adapter)

    assert not report.violations, complaint(report)
    assert (report.counts.double, report.counts.orphan, report.counts.unfinished) == (0, 0, 0)
    assert report.kills >= trials
    assert report.slowest_recovery < 30, complaint(report)


def complaint(report: Report) -> str:
    """Return the violations, and the command that shows them again."""
    return "\n".join([f"play it again: {report.replay()}", *report.violations])
