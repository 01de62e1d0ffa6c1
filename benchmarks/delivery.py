"""The rate of deliveries, and the cost of a failing sink for callers: `python -m benchmarks.delivery`.

All parts are real and on this machine: a PostgreSQL that syncs to disk, gunicorn, the worker's command as a process, an
HTTP receiver as a process, and our own RabbitMQ.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from itertools import count
from multiprocessing.connection import Connection

import requests
from sqlalchemy import func, select

from payment_service import create_app
from payment_service.config import Settings
from payment_service.db import Database
from payment_service.models import outbox_deliveries
from tests.conftest import migrate
from tests.support.broker import Broker, Ear
from tests.support.events import pile_up, statuses
from tests.support.ports import free_port, listens
from tests.support.postgres import Postgres, ThrowawayPostgres
from tests.support.processes import Service
from tests.support.receiver import Answer, Receiver
from tests.support.waiting import wait_until

CLIENTS = 4
SECONDS = 6.0
ROUNDS = 3
"""Healthy and failing sinks alternate, so that other load on the machine affects both."""


@contextmanager
def neighbour(answer: Answer) -> Iterator[str]:
    """Run an HTTP receiver in its own process that always returns the same answer; yield its URL."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_serve, args=(theirs, answer), daemon=True)
    process.start()
    try:
        yield str(ours.recv())
    finally:
        process.kill()
        process.join()


def _serve(pipe: Connection, answer: Answer) -> None:
    pipe.send(Receiver(lambda _: answer).url)
    while True:
        time.sleep(60)


@contextmanager
def worker(**settings: str) -> Iterator[Service]:
    """Run the worker's command with these settings."""
    process = Service(sys.executable, "-m", "flask", "--app", "wsgi", "worker", settings=settings)
    with closing(process):
        yield process


def fresh(postgres: Postgres, name: str) -> tuple[str, Database]:
    """Return the URL and the database of a new migrated database with this name."""
    url = postgres.create_database(name)
    migrate(url)
    app = create_app(Settings(database_url=url, log_level="ERROR"))
    database: Database = app.extensions["payment_service"].database
    return url, database


def rate(database: Database, sink: str, events: int) -> float:
    """Return the events per second from the first acknowledgement to the last."""
    wait_until(lambda: statuses(database, sink) == {"DELIVERED": events}, patience=600)
    marked = outbox_deliveries.c.delivered_at
    with database.reading() as connection:
        first, last = connection.execute(select(func.min(marked), func.max(marked))).one()
    return events / float((last - first).total_seconds())


def drain_http(postgres: Postgres, events: int) -> None:
    """Drain to one receiver that acknowledges at once."""
    url, database = fresh(postgres, "drain_http")
    pile_up(database, ["notification"], count=events // 2, versions=2)
    with neighbour(Answer()) as at, worker(DATABASE_URL=url, NOTIFICATION_SERVICE_URL=at, WEBHOOK_SECRET="benchmark"):
        print(f"HTTP: {events} events, two for each payment: {rate(database, 'notification', events):.0f}/s")


EVERYTHING = {"RABBITMQ_ENABLED": "true", "RABBITMQ_CHANNELS": "*"}


def drain_rabbitmq(postgres: Postgres, events: int) -> None:
    """Drain to one durable queue that takes all events."""
    url, database = fresh(postgres, "drain_rabbitmq")
    pile_up(database, ["rabbitmq"], count=events // 2, versions=2)
    with closing(Broker()) as broker:
        broker.start()
        Ear(broker.port, "payment_events").bind()
        with worker(DATABASE_URL=url, RABBITMQ_ENABLED="true", RABBITMQ_PORT=str(broker.port)):
            print(f"RabbitMQ: {events} events, two for each payment: {rate(database, 'rabbitmq', events):.0f}/s")


def latency(postgres: Postgres) -> None:
    """Make the same charges with healthy sinks, and with one sink that never answers and one that is unreachable."""
    with ExitStack() as stack:
        well = stack.enter_context(neighbour(Answer()))
        mute = stack.enter_context(neighbour(Answer(wait=3600)))
        broker = stack.enter_context(closing(Broker()))
        broker.start()
        Ear(broker.port, "payment_events").bind()
        cases = {
            "well": {"NOTIFICATION_SERVICE_URL": well, "RABBITMQ_PORT": str(broker.port)},
            "sick": {"NOTIFICATION_SERVICE_URL": mute, "RABBITMQ_PORT": str(free_port())},
        }
        urls = {name: fresh(postgres, f"latency_{name}")[0] for name in cases}
        took: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(ROUNDS):
            for name, settings in cases.items():
                with serving(DATABASE_URL=urls[name], LOG_LEVEL="ERROR", **EVERYTHING, **settings) as at:
                    took[name] += charges(at)
    middle, high = ({name: _percentile(times, share) for name, times in took.items()} for share in (0.5, 0.95))
    for name, times in took.items():
        print(f"{name}: {len(times)} charges, median {middle[name]:.1f} ms, 95 % within {high[name]:.1f} ms")
    print(f"sick / well: median {middle['sick'] / middle['well']:.2f}, 95 % {high['sick'] / high['well']:.2f}")


@contextmanager
def serving(**settings: str) -> Iterator[str]:
    """Run gunicorn and the worker with these settings; yield the URL."""
    port = free_port()
    settings = {**settings, "SERVICE_PORT": str(port)}
    with closing(Service.gunicorn(settings)) as web, worker(**settings):
        wait_until(lambda: listens(port), web.last_words)
        yield f"http://127.0.0.1:{port}"


_NUMBERS = count()


def charges(at: str) -> list[float]:
    """Return the milliseconds of each charge that several clients made, one after another, for some seconds."""

    def client(_: int) -> list[float]:
        times = []
        with requests.Session() as session:
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                body = {"idempotency_key": f"b-{next(_NUMBERS)}", "trip_id": 7, "method": "CARD", "amount": 150.0}
                began = time.monotonic()
                session.post(f"{at}/payments", json=body, timeout=30).raise_for_status()
                times.append(1000 * (time.monotonic() - began))
        return times[5:]  # the first ones warm up

    with ThreadPoolExecutor(CLIENTS) as threads:
        return [each for times in threads.map(client, range(CLIENTS)) for each in times]


def _percentile(times: list[float], share: float) -> float:
    return statistics.quantiles(times, n=100)[round(100 * share) - 1]


def main() -> None:
    """Run the chosen measurements."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.delivery", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000, help="pending events to drain")
    parser.add_argument("--only", choices=("http", "rabbitmq", "latency"))
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {datetime.now(UTC):%Y-%m-%d}")
    with closing(ThrowawayPostgres(durable=True)) as postgres:
        if options.only in (None, "http"):
            drain_http(postgres, options.events)
        if options.only in (None, "rabbitmq"):
            drain_rabbitmq(postgres, options.events)
        if options.only in (None, "latency"):
            latency(postgres)


if __name__ == "__main__":
    main()
