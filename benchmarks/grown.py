"""The cost of requests as tables grow: `python -m benchmarks.grown --payments 1000000 5000000`.

Charges and repeats on a database with millions of payments against an almost empty one, in turns; the thousandth page
of a list against its first; dividing the tables of history into months (deploy/postgresql/by_month.sql) under charges,
and charges on the result.
"""

import argparse
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from statistics import median

import requests

from benchmarks.http import CASES, Case, Subject, Turns
from benchmarks.report import spread
from benchmarks.servers import ROOT, MeasuredPostgres, create, production, serve, token
from benchmarks.years import execute, fill

GROWN = "grown"
PAGE, DEEP = 20, 1000
LOOKS = 200
MOMENT = 5.0
"""Seconds of charges before the tables are divided; charges last four times as long in all."""


def compare(what: str, found: Sequence[Subject], cases: Sequence[Case], rounds: int, seconds: float) -> None:
    """Print the last subject's rate as a share of the first's, turn by turn."""
    for case in cases:
        told = [Turns() for _ in found]
        for _ in range(rounds):
            for subject, turns in zip(found, told, strict=True):
                subject.turn(case, seconds, turns)
        shares = [grown / empty for empty, grown in zip(told[0].rates, told[-1].rates, strict=True)]
        print(f"{what}: {case.name} {spread(shares)} of the empty one, {median(told[-1].rates):.0f}/s", flush=True)


def pages(what: str, port: int) -> None:
    """Print the time of the thousandth page as a share of the first page's."""
    at = f"http://127.0.0.1:{port}/payments"
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token('auditor', 'payments:service')}"

        def look(**words: object) -> tuple[float, str]:
            began = time.perf_counter()
            answer = session.get(at, params={"limit": PAGE, **words}, timeout=30)
            taken = time.perf_counter() - began
            answer.raise_for_status()
            return taken, str(answer.json()["next_cursor"])

        _, cursor = look()
        for _ in range(DEEP - 2):
            _, cursor = look(cursor=cursor)
        first, deep = zip(*[(look()[0], look(cursor=cursor)[0]) for _ in range(LOOKS)], strict=True)
    share = median(deep) / median(first)
    print(f"{what}: page {DEEP:,} takes {share:.2f} of page 1, {1e3 * median(deep):.1f} ms in the median", flush=True)


def divide(postgres: MeasuredPostgres, subject: Subject) -> None:
    """Divide the tables of history under charges, and print the results of those charges."""
    with ThreadPoolExecutor(1) as thread:
        charging = thread.submit(subject.load, "create", 16, 4 * MOMENT)
        time.sleep(MOMENT)
        began = time.monotonic()
        _by_month(postgres)
        taken = time.monotonic() - began
        told = charging.result()
    print(f"divided into months in {taken:.1f} s, meanwhile {told.requests} charges: {told.refused} refused,", end=" ")
    print(f"{told.lost} lost, 99 % within {told.p99:.0f} ms", flush=True)


def _by_month(postgres: MeasuredPostgres) -> None:
    after_next = (datetime.now(UTC).replace(day=1) + timedelta(days=70)).replace(day=1)
    words = ["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--set=first={after_next:%Y-%m-%d}"]
    script = ROOT / "deploy" / "postgresql" / "by_month.sql"
    address = postgres.address.set(drivername="postgresql", database=GROWN).render_as_string(hide_password=False)
    subprocess.run(["psql", *words, f"--file={script}", address], check=True, capture_output=True, text=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grown", description=__doc__)
    parser.add_argument("--payments", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    create_and_replay, create_alone = CASES[:2], CASES[:1]
    before = 0
    with closing(MeasuredPostgres()) as postgres:
        empty, grown = production(create(postgres, "empty")), production(create(postgres, GROWN))
        for size in sorted(options.payments):
            fill(postgres, GROWN, size, before)
            execute(postgres, GROWN, "CHECKPOINT")
            with serve("empty", "wsgi:app", **empty) as one, serve("grown", "wsgi:app", **grown) as other:
                found = [Subject(one, postgres), Subject(other, postgres)]
                for subject in found:
                    subject.prepare()
                what = f"{size:,} payments"
                compare(what, found, create_and_replay, options.rounds, options.seconds)
                pages(what, other.port)
                if size == max(options.payments):
                    divide(postgres, found[-1])
                    compare(f"{what}, by month", found, create_alone, options.rounds, options.seconds)
            before = _last(postgres)


def _last(postgres: MeasuredPostgres) -> int:
    """Return the highest number of a payment so far."""
    with closing(postgres.connect(GROWN)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT max(payment_id) FROM payments")
        ((last,),) = cursor.fetchall()
    return int(last)


if __name__ == "__main__":
    main()
