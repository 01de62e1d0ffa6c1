"""How long a scrape of /metrics takes on a database with millions of payments.

    .venv/bin/python -m benchmarks.scrape --payments 5000000

Fills a throw-away PostgreSQL (as durable as a production server is) with years of payments and all that belongs to
them, counted in the tallies; puts a few hours' backlog on top; and scrapes, alone and while four clients pay in the
same process.
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
from payment_service.config_fields import CHANNELS
from payment_service.db import db
from payment_service.services import business_metrics
from tests.support.postgres import ThrowawayPostgres

DATABASE = "scraped"
COUNTED = """
INSERT INTO tallies (channel, method, currency, move, from_status, status, times, amount)
    SELECT channel, method, currency, move, coalesce(from_status, ''), t.status, count(*), sum(t.amount)
    FROM transactions AS t JOIN payments USING (payment_id) GROUP BY 1, 2, 3, 4, 5, 6;
INSERT INTO watermarks (name, value) SELECT 'journal', max(transaction_log_id) FROM transactions
    ON CONFLICT (name) DO UPDATE SET value = excluded.value;
"""
BACKLOG = """
SET session_replication_role = replica;
INSERT INTO outbox_deliveries (payment_id, event_id, event_type, version, sink, stream, status, attempts, due_at,
    created_at)
    SELECT n, gen_random_uuid(), 'payment.completed', 2, 'rabbitmq', 'payment:' || n,
    CASE WHEN n % 10 = 0 THEN 'DEAD' ELSE 'PENDING' END, 1, now(), now() FROM generate_series(1, 200000) AS n;
INSERT INTO transactions (payment_id, transaction_type, move, from_status, status, amount, captured_amount,
    refunded_amount, description, actor, created_at)
    SELECT payment_id, 'PAYMENT', 'failed_attempt', status, status, 1, 0, 0, 'The gateway has not decided',
    'anonymous', now() FROM payments LIMIT 2000;
"""
COUNTING = "SELECT status, count(*), sum(captured_amount) FROM payments GROUP BY status"


def main() -> None:
    """Fill, count, scrape, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--payments", type=int, default=5_000_000)
    parser.add_argument("--scrapes", type=int, default=50)
    options = parser.parse_args()
    with closing(ThrowawayPostgres(durable=True)) as server:
        app = _app(server.create_database(DATABASE))
        fill(server, DATABASE, options.payments)
        execute(server, DATABASE, COUNTED)
        execute(server, DATABASE, "VACUUM ANALYZE")
        counting = _timed(lambda: execute(server, DATABASE, COUNTING))
        print(f"counting the rows instead: {counting:.0f} ms")
        _report("a scrape", app, options.scrapes)
        _report("beside four paying clients", app, options.scrapes, clients=4)
        execute(server, DATABASE, BACKLOG)
        _report("with 180,000 events waiting, 20,000 dead, 2,000 changes not folded", app, options.scrapes)
        deps = app.extensions["payment_service"]
        milliseconds = _timed(lambda: business_metrics.aggregate(deps))
        print(f"a batch of {business_metrics.BATCH} changes folded: {milliseconds:.1f} ms")


def _app(url: str) -> Flask:
    settings = replace(
        Settings(database_url=url, log_level="ERROR"), rabbitmq_enabled=True, rabbitmq_channels=frozenset(CHANNELS)
    )
    app = create_app(settings)
    with app.app_context():
        upgrade()
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
    """Return the milliseconds of the work."""
    began = time.monotonic()
    work()
    return (time.monotonic() - began) * 1000


if __name__ == "__main__":
    main()
