"""How long a scrape of /metrics takes on a database with millions of payments.

    .venv/bin/python -m benchmarks.scrape --payments 5000000

Fills a throw-away PostgreSQL (as durable as a production server is) with years of payments and all that belongs to
them; lets the migration's own statement count them; puts a few hours' backlog on top; and scrapes, alone and while four
clients pay in the same process.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from flask import Flask
from flask_migrate import upgrade

from benchmarks.years import execute, fill
from payment_service import create_app
from payment_service.config import Settings
from payment_service.db import db
from payment_service.services import figures
from tests.support.postgres import ThrowawayPostgres

DATABASE = "scraped"
BACKLOG = """
SET session_replication_role = replica;
INSERT INTO outbox_deliveries (event_id, sink, stream, status, attempts, due_at, created_at)
    SELECT gen_random_uuid(), 'rabbitmq', 'payment:' || n, CASE WHEN n % 10 = 0 THEN 'DEAD' ELSE 'PENDING' END, 1,
    now(), now() FROM generate_series(1, 200000) AS n;
INSERT INTO tally_marks (channel, method, currency, move, from_status, status, amount)
    SELECT 'trips', 'CARD', 'INR', 'charge', '', 'PROCESSING', 1 FROM generate_series(1, 2000);
"""
COUNTING = "SELECT status, count(*), sum(captured_amount) FROM payments GROUP BY status"


def main() -> None:
    """Fill, count, scrape, tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--payments", type=int, default=5_000_000)
    parser.add_argument("--scrapes", type=int, default=50)
    options = parser.parse_args()
    with closing(ThrowawayPostgres(durable=True)) as server:
        app = _app(server.create_database(DATABASE))
        fill(server, DATABASE, options.payments)
        began = time.monotonic()
        with app.app_context():
            upgrade(revision="head")
        print(f"migration that counts them: {time.monotonic() - began:.1f} s")
        execute(server, DATABASE, "VACUUM ANALYZE")
        counting = _timed(lambda: execute(server, DATABASE, COUNTING))
        print(f"counting the rows instead: {counting:.0f} ms")
        _report("a scrape", app, options.scrapes)
        _report("beside four paying clients", app, options.scrapes, clients=4)
        execute(server, DATABASE, BACKLOG)
        _report("with 180,000 events waiting, 20,000 dead, 2,000 marks", app, options.scrapes)
        runtime = app.extensions["payment_service"]
        print(f"a batch of {figures.BATCH} marks folded: {_timed(lambda: figures.fold(runtime)):.1f} ms")


def _app(url: str) -> Flask:
    settings = replace(Settings(database_url=url, log_level="ERROR"), rabbitmq_enabled=True)
    app = create_app(settings)
    with app.app_context():
        upgrade(revision="0003")
        db.engine.dispose()
    return app


def _report(what: str, app: Flask, scrapes: int, *, clients: int = 0) -> None:
    stop = threading.Event()
    paying = [threading.Thread(target=_pay, args=(app, number, stop)) for number in range(clients)]
    for client in paying:
        client.start()
    times = [_timed(lambda: app.test_client().get("/metrics")) for _ in range(scrapes)]
    stop.set()
    for client in paying:
        client.join()
    print(f"{what}: first {times[0]:.1f}, median {statistics.median(times):.1f}, slowest {max(times):.1f} ms")


def _pay(app: Flask, client: int, stop: threading.Event) -> None:
    number = 0
    while not stop.is_set():
        number += 1
        body = {"idempotency_key": f"{client}-{number}-{time.monotonic()}", "trip_id": 1, "method": "CARD", "amount": 1}
        app.test_client().post("/payments", json=body)


def _timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.monotonic()
    work()
    return (time.monotonic() - began) * 1000


if __name__ == "__main__":
    main()
