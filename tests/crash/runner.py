"""`python -m tests.crash.runner --seed N --trials M --point C6 --database sqlite`: trials by the thousand.

Prints one JSON line for each run (one point on one database): seed, counts, violations, slowest recovery. The same
seed plays the same trials; `--first` and `--trials 1` play a single one of them again.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

from tests.crash.caller import Intent
from tests.crash.news import NewsTrial
from tests.crash.oracle import Counts, Oracle
from tests.crash.points import points_of, stages
from tests.crash.scenario import BROKER, Scenario, WorkerSlot, open_environment, worker_slots
from tests.crash.stages import ADAPTERS, DATABASES, SILENCE_MS, Adapter, Database, Stage
from tests.crash.trial import Trial
from tests.support.postgres import start_postgres

SLOTS = 2
"""Trials that play at the same time, each slot on a database of its own: as many as two cores can bear."""


@dataclass
class Report:
    """The result of a run."""

    seed: int
    point: str
    database: Database
    adapter: Adapter = "remote"
    trials: int = 0
    kills: int = 0
    counts: Counts = field(default_factory=Counts)
    answers: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    slowest_recovery: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        """Return one line of JSON."""
        numbers = asdict(self) | asdict(self.counts) | {"answers": dict(sorted(self.answers.items()))}
        del numbers["counts"]
        rounded = {name: round(numbers[name], 3) for name in ("slowest_recovery", "seconds")}
        return json.dumps(numbers | rounded)

    def replay(self) -> str:
        """Return the command that plays the run again."""
        return (
            f"python -m tests.crash.runner --seed {self.seed} --trials {self.trials} --point {self.point}"
            f" --database {self.database} --gateway {self.adapter}"
        )


def run(
    where: Sequence[WorkerSlot],
    seed: int,
    point: str,
    database: Database,
    trials: Sequence[int],
    *,
    mutant: str | None = None,
    gateway: Mapping[str, Any] | None = None,
    ways: Container[int] = range(100),
    adapter: Adapter = "remote",
) -> Report:
    """Play the trials of these numbers at a point, shared out over the worker slots; then let the oracle judge.

    `mutant` names a deliberate fault of the services, `gateway` gives keywords of their adapter, and the run uses only
    the numbered `ways` to bring the point about.
    """
    report = Report(seed, point, database, adapter, len(trials))
    began = time.monotonic()
    chosen = [stage for number, stage in enumerate(stages(point, database, adapter)) if number in ways]

    def play(index: int, slot: WorkerSlot) -> None:
        with slot.scenario(database, mutant, gateway, adapter) as scenario:
            _play(scenario, report, [(number, chosen[number % len(chosen)]) for number in trials[index :: len(where)]])

    with ThreadPoolExecutor(len(where)) as threads:
        for played in [threads.submit(play, index, slot) for index, slot in enumerate(where)]:
            played.result()
    report.seconds = time.monotonic() - began
    return report


def _play(scenario: Scenario, report: Report, program: Sequence[tuple[int, Stage]]) -> None:
    intents: list[Intent] = []
    for number, stage in program:
        label = f"{report.point}#{number}"
        random = Random(f"{report.seed}:{report.database}:{label}")
        trial = (NewsTrial if stage.news else Trial)(scenario, stage, label, number, random)
        try:
            trial.play()
        except AssertionError as error:  # one trial that cannot be played to its end ends no run of hundreds
            report.violations.append(f"{label} was not played to its end: {error}")
        intents += trial.intents
        report.kills += trial.kills
        report.violations += trial.violations
        report.slowest_recovery = max(report.slowest_recovery, trial.recovery_seconds)
    if any(stage.lingers for _, stage in program):
        time.sleep(SILENCE_MS / 1000)  # the bank has finished by then
    scenario.finish()
    oracle = Oracle(scenario.tables, scenario.ledger, intents, BROKER)
    report.violations += oracle.judge()
    for name, count in asdict(oracle.counts).items():
        setattr(report.counts, name, getattr(report.counts, name) + count)
    report.answers.update(str(heard.status) for intent in intents for heard in intent.heard)


def _runs(given: argparse.Namespace) -> Iterator[Report]:
    points = given.point or list(points_of(given.gateway))
    databases = given.database or list(DATABASES)
    late = time.monotonic() + given.seconds
    postgres = start_postgres() if "postgresql" in databases else None
    try:
        with (
            tempfile.TemporaryDirectory(prefix="crash-") as home,
            open_environment(Path(home), postgres) as environment,
            worker_slots(environment, SLOTS) as where,
        ):
            for seed in range(given.seed, given.seed + given.rounds):
                for database, point in product(databases, points):
                    if time.monotonic() > late:
                        return
                    numbers = range(given.first, given.first + given.trials)
                    yield run(where, seed, point, database, numbers, adapter=given.gateway)
    finally:
        if postgres:
            postgres.close()


def main() -> int:
    """Read the arguments, run, print; 1 when an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.runner", description="Kill the service, then count.")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**9))
    parser.add_argument("--trials", type=int, default=10, help="trials at each point on each database")
    parser.add_argument("--first", type=int, default=0, help="number of the first trial")
    parser.add_argument("--point", action="append", choices=[*points_of("stripe")], help="repeatable; all by default")
    parser.add_argument("--gateway", choices=ADAPTERS, default="remote", help="the adapter to the bank")
    parser.add_argument("--database", action="append", choices=DATABASES, help="both by default")
    parser.add_argument("--rounds", type=int, default=1, help="all of it so often, each time with the next seed")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further run after so long")
    violated = False
    for report in _runs(parser.parse_args()):
        sys.stdout.write(f"{report}\n")
        sys.stdout.flush()
        violated = violated or bool(report.violations)
    return int(violated)


if __name__ == "__main__":
    sys.exit(main())
