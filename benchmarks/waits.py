"""The cost of waiting, and of the parts without a server to wait for: `python -m benchmarks.waits`.

A gateway that takes 200 ms, with 64 threads and ten connections for each of two workers, against the ideal of all those
threads; charges on SQLite against charges on PostgreSQL, in turns; and the time from start to first response.
"""

import argparse
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

import requests

from benchmarks.load import load
from benchmarks.report import spread
from benchmarks.servers import MeasuredPostgres, create, migrate, production, serve, token

WORKERS, THREADS, POOL, LATENCY = 2, 64, 10, 0.2


def gateway(postgres: MeasuredPostgres, seconds: float, rounds: int) -> None:
    """Print the rate of charges with a slow gateway, as a share of the ideal."""
    more = {"WEB_THREADS": str(THREADS), "DB_POOL_SIZE": str(POOL), "GATEWAY_LATENCY_MS": str(int(1000 * LATENCY))}
    ideal = WORKERS * THREADS / LATENCY
    with serve(
        "slow", "wsgi:app", **production(create(postgres, "slow"), WEB_CONCURRENCY=str(WORKERS), **more)
    ) as slow:
        load(slow.port, WORKERS * THREADS, 2.0, "create", "warm", token())
        told = [
            load(slow.port, WORKERS * THREADS, seconds, "create", f"slow-{n}", token()).rate / ideal
            for n in range(rounds)
        ]
    print(f"gateway of {LATENCY:g} s, {WORKERS} x {THREADS} threads, pools of {POOL}: {spread(told)} of {ideal:.0f}/s")


def sqlite(postgres: MeasuredPostgres, seconds: float, rounds: int) -> None:
    """Print SQLite's rate as a share of PostgreSQL's."""
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        urls = {"sqlite": f"sqlite:///{Path(home)}/payments.db", "postgresql": create(postgres, "beside")}
        migrate(urls["sqlite"])
        served = {name: stack.enter_context(serve(name, "wsgi:app", **production(url))) for name, url in urls.items()}
        rates: dict[str, list[float]] = {name: [] for name in served}
        for number in range(rounds):
            for name, each in served.items():
                rates[name].append(load(each.port, 16, seconds, "create", f"{name}-{number}", token()).rate)
    shares = [one / other for one, other in zip(rates["sqlite"], rates["postgresql"], strict=True)]
    print(f"SQLite: {spread(shares)} of PostgreSQL, {median(rates['sqlite']):.0f}/s")


def start(postgres: MeasuredPostgres, rounds: int) -> None:
    """Print the seconds from gunicorn's start to its first response."""
    url = create(postgres, "started")
    took = []
    for _ in range(rounds):
        began = time.monotonic()
        with serve("started", "wsgi:app", **production(url)) as served:
            requests.get(f"http://127.0.0.1:{served.port}/health/live", timeout=10).raise_for_status()
            took.append(time.monotonic() - began)
    print(f"start to first answer: {spread(took, 2)} s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waits", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with closing(MeasuredPostgres()) as postgres:
        start(postgres, options.rounds)
        sqlite(postgres, options.seconds, options.rounds)
        gateway(postgres, options.seconds, options.rounds)


if __name__ == "__main__":
    main()
