"""The cost of requests, against the least that Flask and PostgreSQL need: `make bench`.

All parts are real and on this machine: gunicorn with the deployed configuration and production's settings, our own
PostgreSQL that syncs every commit, signed tokens, logs. The candidates run alternately, so that other load on the
machine affects all of them; only ratios within one run are meaningful.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from uuid import uuid4

import requests

from benchmarks import report, two_transactions
from benchmarks.load import Loaded, load
from benchmarks.servers import ROOT, MeasuredPostgres, Served, create, production, serve, token

PREPARED = 200
"""Payments made in advance, for refunds, look-ups and repeats."""


@dataclass(frozen=True)
class Case:
    """One kind of request: its name in `wrk.lua` and its number of connections."""

    name: str
    kind: str
    connections: int = 16


CASES = (
    Case("create", "create"),
    Case("replay", "replay"),
    Case("conflict", "conflict", 50),
    Case("replay, 50 clients", "replay", 50),
    Case("one hot key, 50 clients", "hot", 50),
    Case("refund", "refund"),
    Case("get", "get"),
    Case("list", "list"),
    Case("mixed", "mixed"),
)
ECHO = Case("echo", "echo")


@dataclass
class Turns:
    """The results of one server in all its turns at one case; CPU in microseconds a request of app and database."""

    rates: list[float] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)
    p99s: list[float] = field(default_factory=list)
    app: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)

    def add(self, loaded: Loaded, app: float, database: float) -> None:
        """Add one turn."""
        self.rates.append(loaded.rate)
        self.medians.append(loaded.median)
        self.p99s.append(loaded.p99)
        self.app.append(1e6 * app / loaded.requests)
        self.database.append(1e6 * database / loaded.requests)


class Subject:
    """A served tree, and the objects that its requests refer to."""

    def __init__(self, served: Served, postgres: MeasuredPostgres) -> None:
        self.served, self.postgres = served, postgres
        self.first_payment, self.cursor = 0, ""
        self._run, self._numbers = uuid4().hex[:8], count()

    def prepare(self) -> None:
        """Make the payments that later requests refer to, and warm up the server."""
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {token()}"
            at = f"http://127.0.0.1:{self.served.port}/payments"
            for number in range(PREPARED):
                body = {"idempotency_key": f"known-{number}", "trip_id": 1 + number % 1000, "method": "CARD"}
                answer = session.post(at, json={**body, "amount": 150.0}, timeout=30)
                answer.raise_for_status()
                self.first_payment = self.first_payment or int(answer.json()["payment_id"])
            self.cursor = session.get(at, params={"limit": 20}, timeout=30).json()["next_cursor"]
        self.load("create", 16, 1)

    def load(self, kind: str, connections: int, seconds: int) -> Loaded:
        """Make one measurement."""
        words = {"replay": ("known", PREPARED), "list": (self.cursor, 0)}
        prefix, number = words.get(kind, (f"{kind}-{self._run}-{next(self._numbers)}", self.first_payment))
        return load(self.served.port, connections, seconds, kind, prefix, token(), str(number))

    def turn(self, case: Case, seconds: int, turns: Turns) -> None:
        """Make one measurement with its CPU. Raises RuntimeError for refusals other than those of a key in use."""
        app, database = self.served.cpu(), self.postgres.cpu()
        loaded = self.load(case.kind, case.connections, seconds)
        turns.add(loaded, self.served.cpu() - app, self.postgres.cpu() - database)
        if loaded.lost or (loaded.refused and case.kind not in ("conflict", "hot")):
            raise RuntimeError(f"{self.served.name}, {case.name}: {loaded}")


def tree_of(revision: str, stack: ExitStack) -> Path:
    """Return a directory with the files of a revision; it is removed at the end."""
    home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-base-")))
    archive = subprocess.run(["git", "archive", revision], check=True, capture_output=True, cwd=ROOT)
    subprocess.run(["tar", "-x", "-C", str(home)], check=True, input=archive.stdout)
    return home


def subjects(stack: ExitStack, postgres: MeasuredPostgres, base: str | None) -> dict[str, Subject]:
    """Serve bare Flask, this tree, and the base's tree if there is one, each with its own gunicorn."""
    url = create(postgres, "here")
    served = {
        "bare": serve("bare", "benchmarks.bare:app", **production(url)),
        "here": serve("here", "wsgi:app", **production(url)),
    }
    if base:
        tree = tree_of(base, stack)
        served["base"] = serve("base", "wsgi:app", tree, **production(create(postgres, "base", tree)))
    found = {name: Subject(stack.enter_context(each), postgres) for name, each in served.items()}
    for name in found.keys() - {"bare"}:
        found[name].prepare()
    return found


def measure(
    found: Mapping[str, Subject], cases: Iterator[Case], rounds: int, seconds: int
) -> Iterator[tuple[Case, dict[str, Turns]]]:
    """Yield every case with the turns of all servers, in alternation: A B A B."""
    for case in cases:
        told = {name: Turns() for name in found}
        for _ in range(rounds):
            for name, subject in found.items():
                subject.turn(ECHO if name == "bare" else case, seconds, told[name])
        yield case, told


def main() -> None:
    """Measure, print, and write the report if requested."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http", description=__doc__)
    parser.add_argument("--seconds", type=int, default=2, help="of each turn")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", help="cases, separated by commas")
    parser.add_argument("--base", help="a revision to compare with")
    parser.add_argument("--write", action="store_true", help="docs/explanation/performance.md and its chart")
    options = parser.parse_args()
    wanted = (case for case in CASES if not options.only or case.name in options.only.split(","))
    with ExitStack() as stack:
        postgres = stack.enter_context(closing(MeasuredPostgres()))
        found = subjects(stack, postgres, options.base)
        results = report.Report()
        for case, told in measure(found, wanted, options.rounds, options.seconds):
            results.add(case.name, told)
            print(results.line(case.name), file=sys.stderr, flush=True)
        script = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "charge.sql"
        script.write_text(two_transactions.record(postgres, "recorded", create(postgres, "recorded")))
        for _ in range(options.rounds):
            turns = Turns()
            found["here"].turn(CASES[0], options.seconds, turns)
            results.against_pgbench.append(
                turns.rates[0] / two_transactions.run(postgres, "here", script, options.seconds)
            )
        results.round_trips = two_transactions.round_trips(create(postgres, "counted"))
    print(results.text())
    if options.write:
        results.write()


if __name__ == "__main__":
    main()
